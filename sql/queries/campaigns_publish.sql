UPDATE sms_campaigns SET state = 'QUEUED', recipients = CAST($2 AS BIGINT) + CAST($3 AS BIGINT), waiting = $2, failed = $3,
    failed_unstored = $3
WHERE id = $1 AND state = 'STAGING'
