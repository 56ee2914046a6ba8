SELECT m.id, m.phone, m.provider, m.sender_id, COALESCE(m.body, c.body, '') AS body, m.segments, m.scheduled_at,
    m.created_at, m.updated_at, m.sent_at, m.delivered_at, m.state, m.charge_1 AS charge, m.failure, m.campaign_id, m.reference
FROM sms_messages AS m LEFT JOIN sms_campaigns AS c ON c.id = m.campaign_id
WHERE m.id = $1 AND m.account_id = $2
