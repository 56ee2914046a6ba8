SELECT CAST(COALESCE(SUM(charge), 0) AS BIGINT) FROM cdr_payers WHERE account_id = $1 AND settled_at >= $2
