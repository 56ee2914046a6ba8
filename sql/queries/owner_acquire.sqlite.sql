INSERT INTO owners (tree, epoch, node, address, installation, lease_until)
VALUES ($1, 1, $2, $3, $4, CAST(unixepoch('subsec') * 1000000 AS INTEGER) + $5)
ON CONFLICT (tree) DO UPDATE
SET epoch = owners.epoch + 1, node = excluded.node, address = excluded.address, installation = excluded.installation,
    lease_until = excluded.lease_until
WHERE owners.lease_until <= CAST(unixepoch('subsec') * 1000000 AS INTEGER)
   OR owners.installation = excluded.installation
RETURNING epoch
