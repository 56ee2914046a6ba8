UPDATE catalog_head SET last_id = last_id + $1 WHERE one = 1 RETURNING last_id
