UPDATE esim_orders SET status = $2, total_bytes = $3, used_bytes = $4, expires_at_us = $5, updated_at_us = $6, asked_at_us = $6
WHERE id = $1 AND tx_id IS NOT NULL AND status = $7
