INSERT INTO held_credit (reference, position, account_id, amount, kind, at) VALUES ($1, $2, $3, $4, $5, $6)
