SELECT CAST(COUNT(*) AS BIGINT) FROM sms_campaigns WHERE account_id = $1 AND state <> 'STAGING'
