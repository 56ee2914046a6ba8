UPDATE sms_campaigns SET failed_unstored = failed_unstored + $2, cancelled_unstored = cancelled_unstored + $3 WHERE id = $1
