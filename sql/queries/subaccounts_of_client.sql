SELECT a.id AS account_id, a.login, p.contact_name, p.email, p.company, s.topup_threshold, s.topup_amount, s.topup_set,
  CAST(COALESCE((SELECT SUM(-e.amount) FROM entries e WHERE e.account_id = a.id AND e.kind = 'call'), 0) AS BIGINT) AS usage
FROM accounts a
JOIN subaccounts s ON s.account_id = a.id
LEFT JOIN profiles p ON p.account_id = a.id
WHERE a.parent_id = $1 AND a.kind = 'subaccount' AND s.deleted_at_us IS NULL
ORDER BY a.id
