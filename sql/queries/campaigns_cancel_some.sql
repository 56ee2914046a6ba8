UPDATE sms_messages SET state = 'CANCELLED', updated_at = $4
WHERE campaign_id = $1 AND id > $2 AND id <= $3 AND state IN ('SCHEDULED', 'QUEUED')
