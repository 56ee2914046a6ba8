SELECT COUNT(*) FROM accounts WHERE parent_id = $1 AND kind = 'client'
