SELECT tx_id, account_id, amount
FROM entries
WHERE tx_id >= $1 AND tx_id <= $2
ORDER BY id
