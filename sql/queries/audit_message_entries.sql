SELECT entries.tx_id, entries.account_id, entries.amount
FROM sms_messages AS m
JOIN entries ON entries.tx_id = m.tx_id
WHERE m.id > $1 AND m.id <= $2
ORDER BY entries.id
