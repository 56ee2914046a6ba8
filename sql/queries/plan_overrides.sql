SELECT prefix, price FROM plan_overrides
WHERE plan_id = $1 AND from_version <= $2 AND (until_version IS NULL OR until_version > $2)
ORDER BY prefix
