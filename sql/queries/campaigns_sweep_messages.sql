DELETE FROM sms_messages WHERE campaign_id IN (SELECT id FROM sms_campaigns WHERE state = 'STAGING' AND created_at < $1)
