INSERT INTO sip_accounts (name, account_id, main, active, created_at_us) VALUES ($1, $2, $3, $4, $5)
