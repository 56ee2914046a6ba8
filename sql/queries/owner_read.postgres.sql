SELECT epoch, node, address, lease_until,
       lease_until - (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT AS lease_left
FROM owners WHERE tree = $1 AND lease_until > 0
