SELECT id, login, kind, parent_id, plan_id, active, credit_limit_nanos, max_calls, calls_per_second,
  daily_spend_nanos, max_price_nanos, max_call_seconds, blocked_prefixes, callerid, dial_rules, allow_loss,
  created_at_us
FROM accounts
WHERE parent_id = $1 AND kind = 'subaccount'
ORDER BY id
