SELECT m.id, m.account_id, m.campaign_id, m.reference, COALESCE(c.reference, m.reference) AS held_under, m.provider, m.phone,
    m.sender_id, COALESCE(m.body, c.body, '') AS body, m.encoding, m.segments, m.give_up_at, m.attempts,
    COALESCE(m.claim, 0) AS claim,
    m.payer_1, m.charge_1, m.payer_2, m.charge_2, m.payer_3, m.charge_3, m.payer_4, m.charge_4
FROM sms_messages AS m LEFT JOIN sms_campaigns AS c ON c.id = m.campaign_id
WHERE m.state = 'SENDING' AND (CAST($1 AS BIGINT) IS NULL OR m.claim = $1) AND m.id > $2 ORDER BY m.id LIMIT 500
