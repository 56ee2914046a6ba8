SELECT signing_key_id, signing_secret FROM credentials WHERE account_id = $1
