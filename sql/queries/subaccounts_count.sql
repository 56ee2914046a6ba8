SELECT COUNT(*) FROM accounts JOIN subaccounts ON subaccounts.account_id = accounts.id
WHERE accounts.parent_id = $1 AND subaccounts.deleted_at_us IS NULL
