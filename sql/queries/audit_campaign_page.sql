SELECT CAST(MAX(id) AS BIGINT)
FROM (SELECT id FROM sms_campaigns WHERE id > $1 AND id <= $2 ORDER BY id LIMIT 64) AS page
