INSERT INTO tariff_versions (id, tariff_id, number, deck_id, fx_rate_id, priced_in, row_count, prefix_count, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
