SELECT p.cdr_id, p.account_id, p.billed_seconds, p.charge, p.rate_json
FROM call_corrections n
JOIN cdr_payers p ON p.cdr_id = n.replaced_cdr
WHERE n.replaced_cdr > $1 AND n.replaced_cdr <= $2
ORDER BY p.cdr_id, p.position
