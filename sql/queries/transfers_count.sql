SELECT COUNT(*) FROM transfers WHERE reseller_id = $1 AND ($2 = '' OR status = $2)
