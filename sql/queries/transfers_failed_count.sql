SELECT CAST(COUNT(*) AS BIGINT) FROM transfers WHERE reseller_id = $1 AND status = 'failed'
