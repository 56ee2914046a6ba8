UPDATE sms_campaigns SET state = 'QUEUED', recipients = $2, waiting = $3, failed = CAST($2 AS BIGINT) - CAST($3 AS BIGINT)
WHERE id = $1 AND state = 'STAGING'
