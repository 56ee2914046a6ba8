SELECT package_code, client_price, reseller_price, allow_loss FROM esim_prices ORDER BY package_code
