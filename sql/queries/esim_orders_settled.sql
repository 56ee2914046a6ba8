UPDATE esim_orders SET status = $2, tran_no = $3, iccid = $4, activation_code = $5, total_bytes = $6, used_bytes = $7,
  expires_at_us = $8, updated_at_us = $9, asked_at_us = $9, tx_id = $10, reason = NULL
WHERE id = $1 AND status = 'PENDING'
