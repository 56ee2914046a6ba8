SELECT account_id, prefix, price, billed_seconds, charge FROM cdr_payers WHERE cdr_id = $1 ORDER BY position
