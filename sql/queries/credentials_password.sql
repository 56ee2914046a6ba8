SELECT password FROM credentials WHERE account_id = $1
