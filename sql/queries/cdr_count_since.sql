SELECT COUNT(*) FROM cdr_payers AS payer JOIN cdrs AS call ON call.id = payer.cdr_id AND call.settled_at = payer.settled_at
WHERE payer.account_id = $1 AND payer.settled_at >= $2 AND call.setup_at >= $2 AND NOT EXISTS (SELECT 1 FROM call_corrections n WHERE n.replaced_cdr = payer.cdr_id)
  AND payer.cdr_id > COALESCE(
  (SELECT cdr_id FROM cdr_payers WHERE account_id = $1 AND settled_at < $2 ORDER BY cdr_id DESC LIMIT 1), 0)
