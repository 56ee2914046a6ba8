UPDATE peers SET active = $2, changed_at_us = $3 WHERE name = $1
