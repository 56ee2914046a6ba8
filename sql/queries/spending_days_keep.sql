INSERT INTO spending_days (account_id, since_us, until_us) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
