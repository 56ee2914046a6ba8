UPDATE sms_messages SET state = $2, failure = $3, updated_at = $4, delivered_at = $5, ask_at = NULL
WHERE id = $1 AND state IN ('SENT_TO_PROVIDER', 'UNKNOWN')
