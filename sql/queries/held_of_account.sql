SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM held_credit WHERE account_id = $1
