SELECT accounts.id AS account_id, accounts.login, profiles.contact_name, profiles.email, profiles.company,
       subaccounts.topup_threshold, subaccounts.topup_amount, subaccounts.topup_set,
       CAST(COALESCE((SELECT SUM(charge) FROM cdr_payers WHERE cdr_payers.account_id = accounts.id
               AND NOT EXISTS (SELECT 1 FROM call_corrections n WHERE n.replaced_cdr = cdr_payers.cdr_id)), 0)
           - COALESCE((SELECT SUM(amount) FROM entries WHERE entries.account_id = accounts.id AND entries.kind IN ('sms', 'esim')), 0)
           AS BIGINT) AS spent_nanos
FROM accounts
JOIN subaccounts ON subaccounts.account_id = accounts.id
LEFT JOIN profiles ON profiles.account_id = accounts.id
WHERE accounts.parent_id = $1 AND subaccounts.deleted_at_us IS NULL AND (CAST($2 AS TEXT) IS NULL OR accounts.login = $2)
ORDER BY accounts.id
