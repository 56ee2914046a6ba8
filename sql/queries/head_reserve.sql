UPDATE ledger_head
SET transaction_id = transaction_id + $1, entry_id = entry_id + $2, cdr_id = cdr_id + $3, feed_position = feed_position + $4
WHERE one = 1
RETURNING transaction_id, entry_id, cdr_id, feed_position, checkpoint_entry, runs
