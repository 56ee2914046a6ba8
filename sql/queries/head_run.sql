UPDATE ledger_head SET runs = runs + 1 WHERE one = 1 RETURNING runs
