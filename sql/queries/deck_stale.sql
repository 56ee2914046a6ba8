SELECT id, chunks FROM decks WHERE staged = TRUE AND touched_at < $1 ORDER BY id
