SELECT id, account_id, digest, numbers, created_at_us, revoked_at_us FROM api_keys WHERE id > $1 AND revoked_at_us IS NULL ORDER BY id LIMIT $2
