SELECT price FROM plan_overrides WHERE plan_id = $1 AND prefix = $2 AND until_version IS NULL
