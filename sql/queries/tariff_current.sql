SELECT t.id AS tariff_id, t.name, t.kind, t.currency, v.id AS version_id, v.number, v.deck_id, v.fx_rate_id, f.rate_pico,
    v.priced_in, v.row_count, v.prefix_count, v.created_at
FROM tariffs t JOIN tariff_versions v ON v.id = t.version_id LEFT JOIN fx_rates f ON f.id = v.fx_rate_id
ORDER BY t.name
