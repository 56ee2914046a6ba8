SELECT account_id, charge FROM cdr_payers WHERE cdr_id = $1 ORDER BY position
