INSERT INTO esim_orders (id, account_id, package_code, package_name, price, wholesale, currency, cost_e4, cost_currency,
  transaction_id, qr_token, status, created_at_us, updated_at_us, asked_at_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'PENDING', $12, $12, $12)
