SELECT code, slug, name, description, price_e4, currency, volume_bytes, duration, duration_unit, locations, coverage, gone
FROM esim_packages ORDER BY code
