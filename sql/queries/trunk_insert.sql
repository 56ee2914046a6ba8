INSERT INTO trunks (id, name, endpoint, host, tariff_id, priority, weight, zone, block_rounding, max_calls, strip, prepend,
    active, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
