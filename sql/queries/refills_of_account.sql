SELECT e.id, e.at, e.kind, e.amount, t.note
FROM entries e
JOIN transactions t ON t.id = e.tx_id AND t.at = e.at
WHERE e.account_id = $1 AND e.kind <> 'call' AND e.amount > 0
  AND e.kind IN ('voucher', 'transfer', 'topup', 'payment', 'credit')
ORDER BY e.id DESC
LIMIT $2 OFFSET $3
