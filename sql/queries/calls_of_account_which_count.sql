SELECT COUNT(*)
FROM cdr_payers p
JOIN cdrs c ON c.id = p.cdr_id AND c.settled_at = p.settled_at
WHERE p.account_id = $1 AND NOT EXISTS (SELECT 1 FROM call_corrections n WHERE n.replaced_cdr = p.cdr_id)
  AND CASE WHEN c.disposition IN ('answered', 'credit_exhausted') THEN 1 ELSE 0 END = $2
