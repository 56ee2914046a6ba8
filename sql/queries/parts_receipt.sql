INSERT INTO sms_parts (provider, upstream_id, message_id, delivery, failure, at) VALUES ($1, $2, 0, $3, $4, $5)
ON CONFLICT (provider, upstream_id) DO UPDATE SET
    delivery = COALESCE(sms_parts.delivery, excluded.delivery), failure = COALESCE(sms_parts.failure, excluded.failure)
RETURNING message_id
