SELECT state, COALESCE(claim, 0) AS claim FROM sms_messages WHERE id = $1
