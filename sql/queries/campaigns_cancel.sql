UPDATE sms_campaigns SET state = 'CANCELLED' WHERE id = $1 AND account_id = $2 AND state IN ('QUEUED', 'RUNNING')
