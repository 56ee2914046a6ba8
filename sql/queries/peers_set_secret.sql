UPDATE peers SET secret_key_id = $2, secret = $3, changed_at_us = $4 WHERE name = $1
