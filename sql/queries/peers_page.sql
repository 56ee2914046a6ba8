SELECT peer_id, name, account_id, kind, main, active, approved, sip_account, source_ip, number, secret_key_id, secret,
  created_at_us, changed_at_us
FROM peers
WHERE name > $1
ORDER BY name
LIMIT $2
