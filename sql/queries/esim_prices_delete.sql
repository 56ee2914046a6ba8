DELETE FROM esim_prices WHERE package_code = $1
