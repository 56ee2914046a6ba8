SELECT epoch, node, address, lease_until,
       lease_until - CAST(unixepoch('subsec') * 1000000 AS INTEGER) AS lease_left
FROM owners WHERE tree = $1 AND lease_until > 0
