UPDATE sms_campaigns SET sent = sent + $2, delivered = delivered + $3, failed = failed + $4, unknown = unknown + $5
WHERE id = $1
