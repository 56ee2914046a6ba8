UPDATE owners SET lease_until = CAST(unixepoch('subsec') * 1000000 AS INTEGER) + $3
WHERE tree = $1 AND epoch = $2 AND lease_until > 0
