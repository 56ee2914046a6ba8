DELETE FROM held_credit WHERE reference = $1
