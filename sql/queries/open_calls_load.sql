SELECT server, unique_id, leg, ticket, payers, granted_at, hold_until, epoch, funded_seconds, pushed_seconds, answered_at, alive_at
FROM open_calls
ORDER BY granted_at, server, unique_id, leg
