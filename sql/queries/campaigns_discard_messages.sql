DELETE FROM sms_messages
WHERE id IN (
    SELECT m.id FROM sms_messages AS m JOIN sms_campaigns AS c ON c.id = m.campaign_id
    WHERE c.id = $1 AND c.state = 'STAGING' ORDER BY m.id LIMIT $2
)
