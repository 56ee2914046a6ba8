SELECT id, reseller_id, external_id, login, amount, reason, client_balance, created_at_us FROM transfers
WHERE reseller_id = $1 AND external_id = $2 AND status = 'success'
