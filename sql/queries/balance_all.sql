SELECT account_id, currency, CAST(SUM(units) AS BIGINT) AS units, CAST(SUM(nanos) AS BIGINT) AS nanos
FROM (
    SELECT account_id, currency, units, nanos FROM checkpoints
    UNION ALL
    SELECT account_id, currency, amount / 1000000000, amount % 1000000000 FROM entries
    WHERE id > (SELECT checkpoint_entry FROM ledger_head WHERE one = 1)
) AS parts
GROUP BY account_id, currency
ORDER BY account_id, currency
