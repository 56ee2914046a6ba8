UPDATE tariffs SET version_id = $2 WHERE id = $1
