DELETE FROM sms_campaigns
WHERE id IN (
    SELECT id FROM sms_campaigns
    WHERE account_id = $1 AND finished_at IS NOT NULL AND sent = 0 AND unknown = 0 AND cost = 0 AND finished_at < $2
        AND waiting = 0 AND state IN ('COMPLETED', 'CANCELLED') AND recipients = failed_unstored + cancelled_unstored
    ORDER BY finished_at LIMIT $3
)
