DELETE FROM held_credit WHERE reference = $1 AND amount = 0
