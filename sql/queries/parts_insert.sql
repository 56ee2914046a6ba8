INSERT INTO sms_parts (provider, upstream_id, message_id, delivery, failure, ended_at, at) VALUES ($1, $2, $3, NULL, NULL, NULL, $4)
ON CONFLICT (provider, upstream_id) DO UPDATE SET
    delivery = CASE WHEN sms_parts.message_id = 0 THEN sms_parts.delivery ELSE NULL END,
    failure = CASE WHEN sms_parts.message_id = 0 THEN sms_parts.failure ELSE NULL END,
    ended_at = CASE WHEN sms_parts.message_id = 0 THEN sms_parts.ended_at ELSE NULL END,
    message_id = excluded.message_id, at = excluded.at
