SELECT COUNT(*)
FROM entries
WHERE account_id = $1 AND kind <> 'call' AND amount > 0
  AND kind IN ('voucher', 'transfer', 'topup', 'payment', 'credit')
