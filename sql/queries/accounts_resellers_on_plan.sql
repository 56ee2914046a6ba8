SELECT CAST(COUNT(*) AS BIGINT) FROM accounts WHERE plan_id = $1 AND kind = 'reseller'
