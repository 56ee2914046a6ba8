SELECT delivery, failure, ended_at FROM sms_parts WHERE message_id = $1
