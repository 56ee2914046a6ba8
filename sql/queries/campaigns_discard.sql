DELETE FROM sms_campaigns WHERE id = $1 AND state = 'STAGING' RETURNING reference
