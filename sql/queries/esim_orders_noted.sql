UPDATE esim_orders SET reason = $2 WHERE id = $1 AND status = 'PENDING'
