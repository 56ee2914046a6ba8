DELETE FROM sms_parts WHERE message_id = 0 AND at < $1
