UPDATE sms_messages SET state = 'CANCELLED', updated_at = $3
WHERE id = $1 AND account_id = $2 AND state IN ('SCHEDULED', 'QUEUED') AND campaign_id IS NULL
    AND scheduled_at IS NOT NULL
