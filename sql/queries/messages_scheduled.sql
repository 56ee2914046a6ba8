SELECT m.id, m.phone, m.provider, m.sender_id, COALESCE(m.body, '') AS body, m.segments, m.scheduled_at,
    m.created_at, m.updated_at, m.sent_at, m.delivered_at, m.state, m.charge_1 AS charge, m.failure, m.campaign_id, m.reference
FROM sms_messages AS m
WHERE m.account_id = $1 AND m.scheduled_at IS NOT NULL AND m.campaign_id IS NULL
ORDER BY m.id DESC LIMIT $2 OFFSET $3
