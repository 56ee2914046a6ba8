SELECT m.id AS message_id, p.upstream_id, m.asked
FROM sms_messages AS m JOIN sms_parts AS p ON p.message_id = m.id
WHERE m.provider = $1 AND m.ask_at IS NOT NULL AND m.ask_at <= $2 AND p.delivery IS NULL ORDER BY m.ask_at LIMIT $3
