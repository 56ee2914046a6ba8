SELECT account_id, CAST(SUM(amount) AS BIGINT) AS amount FROM held_credit GROUP BY account_id
