SELECT CAST(COUNT(*) AS BIGINT) FROM sms_messages AS m LEFT JOIN sms_campaigns AS c ON c.id = m.campaign_id
WHERE m.account_id = $1 AND m.state NOT IN ('SCHEDULED', 'CANCELLED') AND (c.state IS NULL OR c.state <> 'STAGING')
