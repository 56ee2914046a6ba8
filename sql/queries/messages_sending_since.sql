SELECT CAST(COUNT(*) AS BIGINT) FROM sms_messages WHERE state = 'SENDING' AND updated_at < $1
