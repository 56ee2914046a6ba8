SELECT id, account_id, reference, provider, sender_id, body, segments, scheduled_at, created_at, state, recipients, waiting, sent, delivered,
    failed, unknown, cancelled, cost
FROM sms_campaigns WHERE account_id = $1 AND state <> 'STAGING' ORDER BY id DESC LIMIT $2 OFFSET $3
