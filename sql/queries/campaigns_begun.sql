SELECT id FROM sms_campaigns WHERE state = 'STAGING' AND created_at < $1 ORDER BY id
