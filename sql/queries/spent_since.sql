SELECT CAST((SELECT COALESCE(SUM(charge), 0) FROM cdr_payers WHERE account_id = $1 AND settled_at >= $2)
    - (SELECT COALESCE(SUM(amount), 0) FROM entries WHERE account_id = $1 AND at >= $2 AND kind IN ('sms', 'esim'))
    AS BIGINT)
