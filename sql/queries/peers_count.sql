SELECT COUNT(*) FROM peers WHERE account_id = $1 AND kind = $2
