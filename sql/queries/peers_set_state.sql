UPDATE peers SET active = $2, approved = $3, changed_at_us = $4 WHERE name = $1
