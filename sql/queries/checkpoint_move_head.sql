UPDATE ledger_head SET checkpoint_entry = $1 WHERE one = 1
