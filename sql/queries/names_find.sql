SELECT account_id FROM names WHERE name = $1
