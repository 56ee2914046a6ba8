UPDATE subaccounts SET topup_threshold = $2, topup_amount = $3, topup_set = 1, topup_armed = 1 WHERE account_id = $1
