SELECT COUNT(*) FROM esim_orders WHERE account_id = $1
