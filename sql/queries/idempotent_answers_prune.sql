DELETE FROM idempotent_answers
WHERE (account_id, idempotency_key) IN (
    SELECT account_id, idempotency_key FROM idempotent_answers WHERE created_at_us < $1 ORDER BY created_at_us LIMIT $2
)
