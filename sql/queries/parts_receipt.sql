INSERT INTO sms_parts (provider, upstream_id, message_id, delivery, failure, ended_at, at) VALUES ($1, $2, 0, $3, $4, $5, $6)
ON CONFLICT (provider, upstream_id) DO UPDATE SET
    delivery = COALESCE(sms_parts.delivery, excluded.delivery), failure = COALESCE(sms_parts.failure, excluded.failure),
    ended_at = COALESCE(sms_parts.ended_at, excluded.ended_at)
RETURNING message_id
