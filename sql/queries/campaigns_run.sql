UPDATE sms_campaigns SET state = 'RUNNING'
WHERE state = 'QUEUED' AND id IN (SELECT campaign_id FROM sms_messages WHERE claim = $1 AND state = 'SENDING')
