INSERT INTO owners (tree, epoch, node, address, lease_until)
VALUES ($1, 1, $2, $3, $4)
ON CONFLICT (tree) DO UPDATE
SET epoch = owners.epoch + 1, node = excluded.node, address = excluded.address, lease_until = excluded.lease_until
WHERE owners.lease_until <= $5 OR owners.node = excluded.node
RETURNING epoch
