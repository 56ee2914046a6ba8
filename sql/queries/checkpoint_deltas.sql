SELECT moved.account_id, moved.currency,
       moved.units + COALESCE(checkpoints.units, 0) AS units, moved.nanos + COALESCE(checkpoints.nanos, 0) AS nanos
FROM (
    SELECT account_id, currency, CAST(SUM(amount / 1000000000) AS BIGINT) AS units,
           CAST(SUM(amount % 1000000000) AS BIGINT) AS nanos
    FROM entries
    WHERE id > $1 AND id <= $2
    GROUP BY account_id, currency
) AS moved
LEFT JOIN checkpoints ON checkpoints.account_id = moved.account_id AND checkpoints.currency = moved.currency
