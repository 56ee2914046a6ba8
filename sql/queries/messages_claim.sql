UPDATE sms_messages SET state = 'SENDING', claim = $1, updated_at = $2, attempts = attempts + 1
WHERE id IN (
    SELECT id FROM sms_messages
    WHERE provider = $3 AND state IN ('SCHEDULED', 'QUEUED') AND due_at <= $2 AND campaign_id IS NULL
    ORDER BY due_at, id LIMIT $4
)
