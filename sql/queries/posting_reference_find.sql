SELECT tx_id, fingerprint, run, batch FROM posting_references WHERE kind = $1 AND scope = $2 AND reference = $3
