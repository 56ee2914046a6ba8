INSERT INTO vouchers (id, code_digest, amount, issuer_id, created_at_us) VALUES ($1, $2, $3, $4, $5)
