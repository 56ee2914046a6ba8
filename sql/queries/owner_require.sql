UPDATE owners SET epoch = epoch WHERE tree = $1 AND epoch = $2 AND lease_until > 0
