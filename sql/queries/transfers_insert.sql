INSERT INTO transfers (id, reseller_id, external_id, login, amount, status, reason, client_balance, created_at_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
