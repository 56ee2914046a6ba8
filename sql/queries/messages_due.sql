SELECT CAST(COUNT(*) AS BIGINT) FROM (
    SELECT id FROM sms_messages
    WHERE provider = $1 AND state IN ('SCHEDULED', 'QUEUED') AND due_at <= $2 AND campaign_id IS NULL LIMIT 1
) AS single
