SELECT c.id, c.state, c.recipients, c.waiting, c.sent, c.delivered, c.failed, c.unknown, c.cancelled, c.cost,
    c.failed_unstored, c.cancelled_unstored,
    g.state AS message_state, CAST(COALESCE(g.was_sent, 0) AS BIGINT) AS was_sent,
    CAST(COALESCE(g.messages, 0) AS BIGINT) AS messages,
    g.payer_1, CAST(COALESCE(g.charge_1, 0) AS BIGINT) AS charge_1, g.payer_2, CAST(COALESCE(g.charge_2, 0) AS BIGINT) AS charge_2,
    g.payer_3, CAST(COALESCE(g.charge_3, 0) AS BIGINT) AS charge_3, g.payer_4, CAST(COALESCE(g.charge_4, 0) AS BIGINT) AS charge_4,
    h1.account_id AS holder_1, CAST(COALESCE(h1.amount, 0) AS BIGINT) AS held_1,
    h2.account_id AS holder_2, CAST(COALESCE(h2.amount, 0) AS BIGINT) AS held_2,
    h3.account_id AS holder_3, CAST(COALESCE(h3.amount, 0) AS BIGINT) AS held_3,
    h4.account_id AS holder_4, CAST(COALESCE(h4.amount, 0) AS BIGINT) AS held_4
FROM sms_campaigns AS c
LEFT JOIN (
    SELECT campaign_id, state, CASE WHEN sent_at IS NULL THEN 0 ELSE 1 END AS was_sent, COUNT(*) AS messages,
        MAX(payer_1) AS payer_1, CAST(SUM(charge_1) AS BIGINT) AS charge_1,
        MAX(payer_2) AS payer_2, CAST(SUM(charge_2) AS BIGINT) AS charge_2,
        MAX(payer_3) AS payer_3, CAST(SUM(charge_3) AS BIGINT) AS charge_3,
        MAX(payer_4) AS payer_4, CAST(SUM(charge_4) AS BIGINT) AS charge_4
    FROM sms_messages
    WHERE campaign_id > $1 AND campaign_id <= $2
    GROUP BY campaign_id, state, CASE WHEN sent_at IS NULL THEN 0 ELSE 1 END
) AS g ON g.campaign_id = c.id
LEFT JOIN held_credit AS h1 ON h1.reference = c.reference AND h1.position = 1
LEFT JOIN held_credit AS h2 ON h2.reference = c.reference AND h2.position = 2
LEFT JOIN held_credit AS h3 ON h3.reference = c.reference AND h3.position = 3
LEFT JOIN held_credit AS h4 ON h4.reference = c.reference AND h4.position = 4
WHERE c.id > $1 AND c.id <= $2
ORDER BY c.id
