SELECT entries.id, entries.tx_id, transactions.id AS known_tx, entries.account_id, entries.amount, entries.currency
FROM entries
LEFT JOIN transactions ON transactions.id = entries.tx_id AND transactions.at = entries.at
WHERE entries.id > $1 AND entries.id <= $2
ORDER BY entries.id
LIMIT 4096
