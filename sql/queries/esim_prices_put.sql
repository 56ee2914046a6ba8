INSERT INTO esim_prices (package_code, client_price, reseller_price, allow_loss, set_at_us) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (package_code) DO UPDATE SET client_price = excluded.client_price, reseller_price = excluded.reseller_price,
  allow_loss = excluded.allow_loss, set_at_us = excluded.set_at_us
