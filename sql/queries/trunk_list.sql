SELECT id AS trunk_id, name, endpoint, host, tariff_id, priority, weight, zone, block_rounding, max_calls, strip, prepend,
    active, created_at
FROM trunks ORDER BY name
