INSERT INTO owners (tree, epoch, node, address, installation, lease_until)
VALUES ($1, 1, $2, $3, $4, (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT + $5)
ON CONFLICT (tree) DO UPDATE
SET epoch = owners.epoch + 1, node = excluded.node, address = excluded.address, installation = excluded.installation,
    lease_until = (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT + $5
WHERE owners.lease_until <= (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::BIGINT
   OR owners.installation = excluded.installation
RETURNING epoch
