SELECT CAST(COUNT(*) AS BIGINT) FROM sms_messages
WHERE account_id = $1 AND scheduled_at IS NOT NULL AND campaign_id IS NULL
