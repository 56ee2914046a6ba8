INSERT INTO call_corrections (server, unique_id, leg, cdr_id, replaced_cdr, reversal_tx, run, batch)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
