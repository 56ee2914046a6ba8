UPDATE subaccounts SET topup_armed = $2 WHERE account_id = $1
