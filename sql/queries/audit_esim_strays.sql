SELECT 'hold' AS what, held_credit.reference FROM held_credit
WHERE held_credit.kind = 'esim' AND NOT EXISTS (
  SELECT 1 FROM esim_orders WHERE esim_orders.transaction_id = held_credit.reference AND esim_orders.status = 'PENDING')
UNION
SELECT 'posting' AS what, posting_references.reference FROM posting_references
WHERE posting_references.kind = 'esim' AND NOT EXISTS (
  SELECT 1 FROM esim_orders WHERE esim_orders.transaction_id = posting_references.reference
    AND esim_orders.tx_id = posting_references.tx_id)
UNION
SELECT 'transaction' AS what, CAST(transactions.id AS TEXT) AS reference FROM transactions
WHERE transactions.kind = 'esim' AND NOT EXISTS (SELECT 1 FROM esim_orders WHERE esim_orders.tx_id = transactions.id)
