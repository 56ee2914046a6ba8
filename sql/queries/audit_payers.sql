SELECT cdr_id, account_id, billed_seconds, charge, rate_json
FROM cdr_payers
WHERE cdr_id > $1 AND cdr_id <= $2
ORDER BY cdr_id, position
