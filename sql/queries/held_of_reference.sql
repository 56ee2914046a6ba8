SELECT account_id, amount FROM held_credit WHERE reference = $1 ORDER BY position
