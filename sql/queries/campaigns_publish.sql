UPDATE sms_campaigns SET state = 'QUEUED', recipients = $2, waiting = $3, failed = $2 - $3
WHERE id = $1 AND state = 'STAGING'
