SELECT CAST(COUNT(*) AS BIGINT) FROM (
    SELECT id FROM sms_messages
    WHERE provider = $1 AND state IN ('SCHEDULED', 'QUEUED') AND due_at <= $2 AND campaign_id IS NOT NULL
        AND campaign_id IN (SELECT id FROM sms_campaigns WHERE state IN ('QUEUED', 'RUNNING') AND waiting > 0)
    LIMIT 1
) AS of_campaigns
