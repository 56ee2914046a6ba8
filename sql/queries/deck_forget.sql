DELETE FROM decks WHERE id = $1 AND staged = TRUE
