SELECT COUNT(*) FROM esim_orders WHERE status = 'PENDING' AND created_at_us < $1
