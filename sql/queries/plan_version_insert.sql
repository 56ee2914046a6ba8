INSERT INTO plan_versions (id, plan_id, number, tariff_id, base_plan_id, markup_millionths, rounding, decimals,
    duration_rounding, block_rounding, zone, max_call_seconds, signup, initial_credit, tariff_limit, sms_tariff_id, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
