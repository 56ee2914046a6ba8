DELETE FROM feed WHERE at < $1 AND position IN (SELECT position FROM feed ORDER BY position LIMIT $2)
