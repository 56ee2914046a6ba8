DELETE FROM spending_days WHERE account_id = $1 AND until_us <= $2
