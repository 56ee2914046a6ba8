SELECT peer_id, name, account_id, kind, main, active, approved, sip_account, source_ip, number, secret_key_id, secret,
  created_at_us, changed_at_us
FROM peers
WHERE kind = 'ipa' AND active = 1 AND approved = 1 AND source_ip = $1
