SELECT transaction_id, entry_id, cdr_id, feed_position, checkpoint_entry, runs FROM ledger_head WHERE one = 1
