SELECT cdr_id, run, batch FROM call_keys WHERE server = $1 AND unique_id = $2 AND leg = $3
