INSERT INTO posting_references (kind, scope, reference, tx_id, fingerprint, run, batch) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (kind, scope, reference) DO NOTHING
