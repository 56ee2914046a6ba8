UPDATE accounts SET plan_id = $2 WHERE parent_id = $1 AND kind = 'subaccount' AND plan_id <> $2
