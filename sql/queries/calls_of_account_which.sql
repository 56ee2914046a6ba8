SELECT c.id, c.unique_id, c.setup_at, c.caller, c.dialled, c.number, c.destination, c.disposition, c.refused_reason,
  c.hangup_cause, c.answered_ms, p.prefix, p.price, p.billed_seconds, p.charge
FROM cdr_payers p
JOIN cdrs c ON c.id = p.cdr_id AND c.settled_at = p.settled_at
WHERE p.account_id = $1 AND NOT EXISTS (SELECT 1 FROM call_corrections n WHERE n.replaced_cdr = p.cdr_id)
  AND CASE WHEN c.disposition IN ('answered', 'credit_exhausted') THEN 1 ELSE 0 END = $4
ORDER BY p.cdr_id DESC
LIMIT $2 OFFSET $3
