SELECT CAST(COUNT(*) AS BIGINT) FROM accounts a JOIN subaccounts s ON s.account_id = a.id
WHERE a.parent_id = $1 AND a.kind = 'subaccount' AND s.deleted_at_us IS NULL
