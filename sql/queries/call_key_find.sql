SELECT k.cdr_id, k.run, k.batch, k.provisional, c.setup_at,
  n.cdr_id AS corrected_cdr, n.run AS corrected_run, n.batch AS corrected_batch
FROM call_keys k
JOIN cdrs c ON c.id = k.cdr_id
LEFT JOIN call_corrections n ON n.server = k.server AND n.unique_id = k.unique_id AND n.leg = k.leg
WHERE k.server = $1 AND k.unique_id = $2 AND k.leg = $3
