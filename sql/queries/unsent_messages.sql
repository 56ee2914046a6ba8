SELECT account_id, state, CAST(COUNT(*) AS BIGINT) AS messages FROM sms_messages WHERE sent_at IS NULL
GROUP BY account_id, state ORDER BY account_id, state
