SELECT request_digest, sealed_key_id, sealed_answer, created_at_us FROM idempotent_answers
WHERE account_id = $1 AND idempotency_key = $2
