INSERT INTO esim_packages (code, slug, name, description, price_e4, currency, volume_bytes, duration, duration_unit, locations,
  coverage, gone, synced_at_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12)
ON CONFLICT (code) DO UPDATE SET slug = excluded.slug, name = excluded.name, description = excluded.description,
  price_e4 = excluded.price_e4, currency = excluded.currency, volume_bytes = excluded.volume_bytes,
  duration = excluded.duration, duration_unit = excluded.duration_unit, locations = excluded.locations,
  coverage = excluded.coverage, gone = 0, synced_at_us = excluded.synced_at_us
