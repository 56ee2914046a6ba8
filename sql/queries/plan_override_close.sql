UPDATE plan_overrides SET until_version = $3 WHERE plan_id = $1 AND prefix = $2 AND until_version IS NULL
