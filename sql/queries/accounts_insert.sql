INSERT INTO accounts (id, login, kind, parent_id, plan_id, active, credit_limit_nanos, max_calls, calls_per_second,
  daily_spend_nanos, max_price_nanos, max_call_seconds, blocked_prefixes, callerid, dial_rules, allow_loss,
  created_at_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
