INSERT INTO credentials (account_id, password) VALUES ($1, $2)
ON CONFLICT (account_id) DO UPDATE SET password = excluded.password
