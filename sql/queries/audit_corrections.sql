SELECT replaced_cdr, reversal_tx FROM call_corrections
WHERE replaced_cdr > $1 AND cdr_id <= $2
ORDER BY replaced_cdr
LIMIT 512
