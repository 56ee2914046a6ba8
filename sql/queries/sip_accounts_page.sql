SELECT name, account_id, active
FROM sip_accounts
WHERE name > $1
ORDER BY name
LIMIT $2
