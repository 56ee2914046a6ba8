SELECT account_id, topup_threshold, topup_amount, topup_set, topup_armed, deleted_at_us FROM subaccounts WHERE account_id = $1
