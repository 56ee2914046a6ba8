INSERT INTO sms_campaigns (id, account_id, reference, provider, sender_id, body, encoding, segments, scheduled_at, created_at,
    finished_at, state, recipients, waiting, sent, delivered, failed, unknown, cancelled, cost)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, NULL, 'STAGING', 0, 0, 0, 0, 0, 0, 0, 0)
