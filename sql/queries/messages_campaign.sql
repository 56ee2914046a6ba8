SELECT campaign_id, state, segments FROM sms_messages WHERE id = $1
