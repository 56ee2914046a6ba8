SELECT transactions.id
FROM transactions
LEFT JOIN sms_messages AS m ON m.tx_id = transactions.id
WHERE transactions.kind = 'sms' AND transactions.id <= $1 AND m.id IS NULL
ORDER BY transactions.id
LIMIT 1001
