SELECT position, kind, item_id, at FROM feed WHERE position > $1 ORDER BY position LIMIT $2
