SELECT external_id FROM payments WHERE reseller_id = $1 AND provider = $2 AND provider_txid = $3 AND provider_txid <> ''
