INSERT INTO feed (position, kind, item_id, at) VALUES ($1, $2, $3, $4)
