SELECT ledger_head.checkpoint_entry AS covers, checkpoints.account_id, checkpoints.currency, checkpoints.units, checkpoints.nanos
FROM ledger_head
LEFT JOIN checkpoints ON checkpoints.entry_id <= ledger_head.checkpoint_entry
WHERE ledger_head.one = 1
