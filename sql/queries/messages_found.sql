UPDATE sms_messages SET state = 'SENT_TO_PROVIDER', failure = NULL, updated_at = $2, ask_at = $3
WHERE id = $1 AND state = 'UNKNOWN'
