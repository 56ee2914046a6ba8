DELETE FROM payments WHERE id IN (SELECT id FROM payments WHERE tx_id IS NULL AND changed_at_us < $1 ORDER BY id LIMIT $2)
