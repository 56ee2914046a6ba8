SELECT CAST((SELECT COALESCE(SUM(charge), 0) FROM cdr_payers WHERE account_id = $1 AND settled_at >= $2
        AND NOT EXISTS (SELECT 1 FROM call_corrections n WHERE n.replaced_cdr = cdr_payers.cdr_id))
    - (SELECT COALESCE(SUM(amount), 0) FROM entries WHERE account_id = $1 AND at >= $2 AND kind IN ('sms', 'esim'))
    AS BIGINT)
