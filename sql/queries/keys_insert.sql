INSERT INTO api_keys (id, account_id, digest, numbers, created_at_us) VALUES ($1, $2, $3, $4, $5)
