SELECT id, account_id, package_code, package_name, price, wholesale, currency, cost_e4, cost_currency, transaction_id, qr_token, status,
  reason, order_no, tran_no, iccid, activation_code, total_bytes, used_bytes, expires_at_us, created_at_us, updated_at_us,
  asked_at_us, tx_id
FROM esim_orders WHERE tx_id IS NOT NULL AND status IN ('ALLOCATED', 'IN_USE', 'USED_UP') ORDER BY id DESC LIMIT 1
