UPDATE accounts SET plan_id = $2, active = $3, credit_limit_nanos = $4, max_calls = $5, calls_per_second = $6,
  daily_spend_nanos = $7, max_price_nanos = $8, max_call_seconds = $9, blocked_prefixes = $10, callerid = $11,
  dial_rules = $12, allow_loss = $13
WHERE id = $1
