INSERT INTO plans (id, name, owner_id, version_id, created_at) VALUES ($1, $2, $3, $4, $5)
