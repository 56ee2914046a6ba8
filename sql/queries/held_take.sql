UPDATE held_credit SET amount = amount - $3 WHERE reference = $1 AND position = $2 AND amount >= $3
