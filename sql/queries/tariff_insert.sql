INSERT INTO tariffs (id, name, kind, currency, version_id, created_at) VALUES ($1, $2, $3, $4, $5, $6)
