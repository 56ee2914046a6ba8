SELECT transactions.id, cdrs.id AS claimed_by
FROM transactions
LEFT JOIN cdrs ON cdrs.id = transactions.cdr_id AND cdrs.settled_at = transactions.at AND cdrs.tx_id = transactions.id
WHERE transactions.id > $1 AND transactions.id <= $2 AND transactions.cdr_id IS NOT NULL
ORDER BY transactions.id
LIMIT 4096
