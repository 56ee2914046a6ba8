SELECT state FROM sms_messages WHERE id = $1
