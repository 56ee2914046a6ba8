INSERT INTO posting_references (kind, scope, reference, tx_id, fingerprint) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (kind, scope, reference) DO NOTHING
