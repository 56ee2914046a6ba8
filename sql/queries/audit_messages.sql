SELECT m.id, m.campaign_id, m.state, m.sent_at, m.tx_id, m.payer_1, m.charge_1, m.payer_2, m.charge_2, m.payer_3, m.charge_3, m.payer_4, m.charge_4,
    transactions.kind AS tx_kind, posting_references.tx_id AS named_tx,
    h1.account_id AS holder_1, CAST(COALESCE(h1.amount, 0) AS BIGINT) AS held_1,
    h2.account_id AS holder_2, CAST(COALESCE(h2.amount, 0) AS BIGINT) AS held_2,
    h3.account_id AS holder_3, CAST(COALESCE(h3.amount, 0) AS BIGINT) AS held_3,
    h4.account_id AS holder_4, CAST(COALESCE(h4.amount, 0) AS BIGINT) AS held_4
FROM sms_messages AS m
LEFT JOIN transactions ON transactions.id = m.tx_id
LEFT JOIN posting_references
    ON posting_references.kind = 'sms' AND posting_references.scope = 0 AND posting_references.reference = m.reference
LEFT JOIN held_credit AS h1 ON h1.reference = m.reference AND h1.position = 1
LEFT JOIN held_credit AS h2 ON h2.reference = m.reference AND h2.position = 2
LEFT JOIN held_credit AS h3 ON h3.reference = m.reference AND h3.position = 3
LEFT JOIN held_credit AS h4 ON h4.reference = m.reference AND h4.position = 4
WHERE m.id > $1 AND m.id <= $2
ORDER BY m.id
LIMIT 512
