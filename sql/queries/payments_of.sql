SELECT id, reseller_id, account_id, external_id, amount, currency, provider, provider_txid, status, tx_id, client_balance,
  created_at_us, changed_at_us FROM payments WHERE reseller_id = $1 AND external_id = $2
