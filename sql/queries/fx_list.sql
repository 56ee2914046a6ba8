SELECT id, base, quote, rate_pico, valid_from, set_at FROM fx_rates ORDER BY base, quote, valid_from, id
