UPDATE sms_campaigns SET sent = sent + $2, failed = failed + $3, unknown = unknown + $4, cancelled = cancelled + $5,
    cost = cost + $6, waiting = waiting - ($2 + $3 + $4 + $5),
    state = CASE WHEN state IN ('QUEUED', 'RUNNING') AND waiting = $2 + $3 + $4 + $5 THEN 'COMPLETED' ELSE state END,
    finished_at = CASE WHEN waiting = $2 + $3 + $4 + $5 THEN $7 ELSE finished_at END
WHERE id = $1
