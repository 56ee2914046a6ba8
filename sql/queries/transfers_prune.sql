DELETE FROM transfers WHERE id IN (SELECT id FROM transfers WHERE status = 'failed' AND created_at_us < $1 ORDER BY id LIMIT $2)
