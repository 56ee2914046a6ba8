INSERT INTO fx_rates (id, base, quote, rate_pico, valid_from, set_at) VALUES ($1, $2, $3, $4, $5, $6)
