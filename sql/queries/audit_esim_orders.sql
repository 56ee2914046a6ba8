WITH RECURSIVE page AS (
  SELECT id, status, account_id, price, wholesale, tx_id, transaction_id FROM esim_orders WHERE id > $1 ORDER BY id LIMIT 512
), chain AS (
  SELECT page.id AS order_id, accounts.id AS account_id, accounts.kind, accounts.parent_id, CAST(0 AS BIGINT) AS depth
  FROM page JOIN accounts ON accounts.id = page.account_id
  UNION ALL
  SELECT chain.order_id, accounts.id, accounts.kind, accounts.parent_id, chain.depth + 1
  FROM chain JOIN accounts ON accounts.id = chain.parent_id WHERE chain.depth < 32
), posted AS (
  SELECT page.id AS order_id, posting_references.tx_id
  FROM page JOIN posting_references ON posting_references.kind = 'esim' AND posting_references.scope = 0
    AND posting_references.reference = page.transaction_id
)
SELECT page.id, page.status, page.price, page.wholesale, page.tx_id, found.what, found.place, found.account_id, found.amount
FROM page JOIN (
  SELECT order_id, 'payer' AS what, depth AS place, account_id, CAST(0 AS BIGINT) AS amount
  FROM chain WHERE depth = 0 OR kind = 'reseller'
  UNION ALL
  SELECT order_id, 'posted', CAST(0 AS BIGINT), CAST(0 AS BIGINT), tx_id FROM posted
  UNION ALL
  SELECT posted.order_id, 'entry', entries.id, entries.account_id, entries.amount
  FROM posted JOIN entries ON entries.tx_id = posted.tx_id
  UNION ALL
  SELECT page.id, 'held', held_credit.position, held_credit.account_id, held_credit.amount
  FROM page JOIN held_credit ON held_credit.reference = page.transaction_id
) AS found ON found.order_id = page.id
ORDER BY page.id, found.what, found.place
