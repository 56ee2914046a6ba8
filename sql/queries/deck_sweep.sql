DELETE FROM deck_chunks WHERE deck_id = $1 AND seq >= $2
