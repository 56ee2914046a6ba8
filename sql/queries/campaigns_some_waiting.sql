SELECT m.id, m.payer_1, m.charge_1, m.payer_2, m.charge_2, m.payer_3, m.charge_3, m.payer_4, m.charge_4
FROM sms_messages AS m WHERE m.campaign_id = $1 AND m.id > $2 AND m.state IN ('SCHEDULED', 'QUEUED') ORDER BY m.id LIMIT $3
