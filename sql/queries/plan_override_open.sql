INSERT INTO plan_overrides (plan_id, prefix, from_version, until_version, price) VALUES ($1, $2, $3, NULL, $4)
