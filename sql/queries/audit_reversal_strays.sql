SELECT transactions.id
FROM transactions
LEFT JOIN call_corrections n ON n.reversal_tx = transactions.id
WHERE transactions.kind = 'call_reversal' AND transactions.id <= $1 AND n.cdr_id IS NULL
ORDER BY transactions.id
LIMIT 1000
