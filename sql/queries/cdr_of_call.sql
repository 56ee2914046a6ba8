SELECT c.id, c.setup_at, c.number, c.destination, c.disposition, c.answered_ms, c.charged_ms, c.trunk_name, c.buy_prefix,
  c.buy_price, c.buy_billed_seconds, c.buy_cost, c.margin
FROM call_keys k
LEFT JOIN call_corrections n ON n.server = k.server AND n.unique_id = k.unique_id AND n.leg = k.leg
JOIN cdrs c ON c.id = COALESCE(n.cdr_id, k.cdr_id)
WHERE k.server = $1 AND k.unique_id = $2 AND k.leg = $3
