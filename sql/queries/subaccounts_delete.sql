UPDATE subaccounts SET deleted_at_us = $2 WHERE account_id = $1 AND deleted_at_us IS NULL
