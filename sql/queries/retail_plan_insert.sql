INSERT INTO retail_plans (reseller_id, plan_id) VALUES ($1, $2)
