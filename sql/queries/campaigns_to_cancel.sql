SELECT id, account_id, reference, provider, sender_id, body, segments, scheduled_at, created_at, state, recipients, waiting, sent, delivered,
    failed, unknown, cancelled, cost
FROM sms_campaigns WHERE state = 'CANCELLED' AND waiting > 0
