UPDATE owners SET lease_until = (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT + $3
WHERE tree = $1 AND epoch = $2 AND lease_until > 0
