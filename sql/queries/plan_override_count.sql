SELECT COUNT(*) FROM plan_overrides WHERE plan_id = $1 AND until_version IS NULL
