SELECT provider, CAST(COUNT(*) AS BIGINT) AS waiting, MIN(due_at) AS first_due FROM sms_messages
WHERE state IN ('SCHEDULED', 'QUEUED') GROUP BY provider ORDER BY provider
