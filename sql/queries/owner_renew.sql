UPDATE owners SET lease_until = $3 WHERE tree = $1 AND epoch = $2 AND lease_until > 0
