SELECT CAST(COUNT(*) AS BIGINT) FROM (
    SELECT id FROM sms_messages WHERE provider = $1 AND state IN ('SCHEDULED', 'QUEUED') AND due_at <= $2 LIMIT 1
) AS due
