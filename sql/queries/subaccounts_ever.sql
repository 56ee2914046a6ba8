SELECT CAST(COUNT(*) AS BIGINT) FROM accounts WHERE parent_id = $1 AND kind = 'subaccount'
