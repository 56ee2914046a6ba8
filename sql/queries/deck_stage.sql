INSERT INTO decks (id, staged, chunks, touched_at) VALUES ($1, TRUE, 0, $2)
