SELECT account_id, signing_key_id, signing_secret FROM credentials
WHERE signing_key_id <> $1 ORDER BY account_id LIMIT $2
