UPDATE esim_orders SET order_no = $2, updated_at_us = $3, asked_at_us = $3, reason = NULL
WHERE id = $1 AND status = 'PENDING' AND order_no IS NULL
