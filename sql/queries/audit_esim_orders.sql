SELECT esim_orders.id, esim_orders.status, esim_orders.price, esim_orders.tx_id, posting_references.tx_id AS posted_tx,
  (SELECT CAST(SUM(entries.amount) AS BIGINT) FROM entries
    WHERE entries.tx_id = posting_references.tx_id AND entries.account_id = esim_orders.account_id) AS paid,
  (SELECT held_credit.amount FROM held_credit
    WHERE held_credit.reference = esim_orders.transaction_id AND held_credit.position = 1) AS held,
  (SELECT COUNT(*) FROM held_credit WHERE held_credit.reference = esim_orders.transaction_id) AS holds
FROM esim_orders
LEFT JOIN posting_references ON posting_references.kind = 'esim' AND posting_references.scope = 0
  AND posting_references.reference = esim_orders.transaction_id
WHERE esim_orders.id > $1
ORDER BY esim_orders.id
LIMIT 512
