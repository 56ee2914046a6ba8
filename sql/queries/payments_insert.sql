INSERT INTO payments (id, reseller_id, account_id, external_id, amount, currency, provider, provider_txid, status, tx_id,
  client_balance, created_at_us, changed_at_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
