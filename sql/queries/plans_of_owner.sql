SELECT p.id AS plan_id, p.name, p.owner_id, v.id AS version_id, v.number, v.tariff_id, v.base_plan_id, v.markup_millionths,
    v.rounding, v.decimals, v.duration_rounding, v.block_rounding, v.zone, v.max_call_seconds, v.signup, v.initial_credit,
    v.tariff_limit, v.sms_tariff_id, v.created_at
FROM plans p JOIN plan_versions v ON v.id = p.version_id
WHERE p.owner_id = $1
ORDER BY p.id DESC
