SELECT body FROM deck_chunks WHERE deck_id = $1 ORDER BY seq
