SELECT id, reseller_id, external_id, login, amount, reason, client_balance, created_at_us FROM transfers
WHERE reseller_id = $1 AND ($2 = '' OR status = $2) ORDER BY id DESC LIMIT $3 OFFSET $4
