SELECT id AS message_id, reference, phone, asked FROM sms_messages
WHERE provider = $1 AND state = 'UNKNOWN' AND ask_at IS NOT NULL AND ask_at <= $2 ORDER BY ask_at LIMIT $3
