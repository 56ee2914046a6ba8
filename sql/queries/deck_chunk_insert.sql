INSERT INTO deck_chunks (deck_id, seq, body) VALUES ($1, $2, $3)
