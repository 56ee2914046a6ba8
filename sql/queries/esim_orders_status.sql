SELECT status FROM esim_orders WHERE id = $1
