INSERT INTO peers (peer_id, name, account_id, kind, main, active, approved, sip_account, source_ip, number, secret_key_id,
  secret, created_at_us, changed_at_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
