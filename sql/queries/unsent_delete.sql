DELETE FROM sms_messages
WHERE id IN (
    SELECT id FROM sms_messages
    WHERE account_id = $1 AND state = $2 AND sent_at IS NULL AND updated_at < $3 ORDER BY updated_at LIMIT $4
)
RETURNING COALESCE(campaign_id, 0) AS campaign_id
