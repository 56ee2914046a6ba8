UPDATE payments SET provider_txid = $2, status = $3, tx_id = $4, client_balance = $5, changed_at_us = $6 WHERE id = $1
