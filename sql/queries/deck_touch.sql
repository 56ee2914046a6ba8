UPDATE decks SET chunks = chunks + 1, touched_at = $2 WHERE id = $1 AND staged = TRUE AND chunks = $3
