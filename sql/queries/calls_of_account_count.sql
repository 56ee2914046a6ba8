SELECT COUNT(*) FROM cdr_payers WHERE account_id = $1
