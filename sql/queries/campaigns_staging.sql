SELECT id FROM sms_campaigns WHERE state = 'STAGING' ORDER BY id
