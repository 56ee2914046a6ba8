UPDATE decks SET staged = FALSE, touched_at = $2 WHERE id = $1 AND staged = TRUE AND chunks = $3
