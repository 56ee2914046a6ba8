SELECT tx_id, fingerprint FROM posting_references WHERE kind = $1 AND scope = $2 AND reference = $3
