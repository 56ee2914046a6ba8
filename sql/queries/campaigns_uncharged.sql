SELECT account_id, CAST(COUNT(*) AS BIGINT) AS campaigns, MIN(finished_at) AS first_finished FROM sms_campaigns
WHERE finished_at IS NOT NULL AND sent = 0 AND unknown = 0 AND cost = 0 GROUP BY account_id ORDER BY account_id
