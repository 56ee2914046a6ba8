UPDATE sms_messages SET state = 'CANCELLED', updated_at = $3
WHERE campaign_id = $1 AND id <= $2 AND state IN ('SCHEDULED', 'QUEUED')
