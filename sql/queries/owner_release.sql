UPDATE owners SET lease_until = 0 WHERE tree = $1 AND epoch = $2
