INSERT INTO subaccounts (account_id, topup_threshold, topup_amount, topup_set, topup_armed) VALUES ($1, 0, 0, 0, 1)
