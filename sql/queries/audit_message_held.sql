SELECT h.reference, h.position, h.amount
FROM held_credit AS h
LEFT JOIN sms_messages AS m ON m.reference = h.reference AND m.campaign_id IS NULL
LEFT JOIN sms_campaigns AS c ON c.reference = h.reference
WHERE h.kind = 'sms' AND m.id IS NULL AND c.id IS NULL
ORDER BY h.reference, h.position
LIMIT 1001
