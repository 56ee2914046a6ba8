SELECT name, account_id, active
FROM sip_accounts
WHERE account_id = $1
ORDER BY name
