SELECT CAST($1 AS BIGINT) AS account_id, CAST($2 AS TEXT) AS currency,
       CAST(COALESCE(SUM(units), 0) AS BIGINT) AS units, CAST(COALESCE(SUM(nanos), 0) AS BIGINT) AS nanos
FROM (
    SELECT units, nanos FROM checkpoints WHERE account_id = $1 AND currency = $2
    UNION ALL
    SELECT amount / 1000000000, amount % 1000000000 FROM entries
    WHERE account_id = $1 AND currency = $2 AND id > (SELECT checkpoint_entry FROM ledger_head WHERE one = 1)
) AS parts
