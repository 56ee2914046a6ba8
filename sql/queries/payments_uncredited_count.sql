SELECT CAST(COUNT(*) AS BIGINT) FROM payments WHERE reseller_id = $1 AND tx_id IS NULL
