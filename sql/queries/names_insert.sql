INSERT INTO names (name, account_id) VALUES ($1, $2)
