SELECT id, reference, payer_1, charge_1, payer_2, charge_2, payer_3, charge_3, payer_4, charge_4
FROM sms_messages WHERE id = $1 AND account_id = $2 AND scheduled_at IS NOT NULL AND campaign_id IS NULL
