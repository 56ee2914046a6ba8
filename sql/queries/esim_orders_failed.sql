UPDATE esim_orders SET status = 'FAILED', reason = $2, updated_at_us = $3, asked_at_us = $3 WHERE id = $1 AND status = 'PENDING'
