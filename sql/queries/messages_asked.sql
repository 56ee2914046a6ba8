UPDATE sms_messages SET ask_at = $2, asked = asked + 1 WHERE id = $1 AND ask_at IS NOT NULL
