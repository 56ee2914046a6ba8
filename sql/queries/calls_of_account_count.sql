SELECT COUNT(*) FROM cdr_payers WHERE account_id = $1
  AND NOT EXISTS (SELECT 1 FROM call_corrections n WHERE n.replaced_cdr = cdr_payers.cdr_id)
