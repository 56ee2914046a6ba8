SELECT delivery, failure FROM sms_parts WHERE message_id = $1
