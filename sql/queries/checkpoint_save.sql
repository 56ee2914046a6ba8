INSERT INTO checkpoints (account_id, currency, entry_id, units, nanos, at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (account_id, currency) DO UPDATE
SET entry_id = excluded.entry_id, units = excluded.units, nanos = excluded.nanos, at = excluded.at
