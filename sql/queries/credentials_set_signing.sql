INSERT INTO credentials (account_id, signing_key_id, signing_secret) VALUES ($1, $2, $3)
ON CONFLICT (account_id) DO UPDATE SET signing_key_id = excluded.signing_key_id, signing_secret = excluded.signing_secret
