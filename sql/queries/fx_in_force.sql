SELECT id, base, quote, rate_pico, valid_from, set_at FROM fx_rates
WHERE base = $1 AND quote = $2 AND valid_from <= $3 ORDER BY valid_from DESC, id DESC LIMIT 1
