INSERT INTO idempotent_answers (account_id, idempotency_key, request_digest, sealed_key_id, sealed_answer, created_at_us)
VALUES ($1, $2, $3, $4, $5, $6)
