UPDATE idempotent_answers SET sealed_key_id = $3, sealed_answer = $4 WHERE account_id = $1 AND idempotency_key = $2
