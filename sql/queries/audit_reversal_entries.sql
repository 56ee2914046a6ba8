SELECT entries.tx_id, entries.account_id, entries.amount
FROM call_corrections n
JOIN entries ON entries.tx_id = n.reversal_tx
WHERE n.replaced_cdr > $1 AND n.replaced_cdr <= $2
ORDER BY entries.id
