SELECT campaign_id, state FROM sms_messages WHERE id = $1
