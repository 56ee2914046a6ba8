WITH RECURSIVE above (peer_id, account_id) AS (
  SELECT peer_id, account_id FROM peers WHERE kind = 'ipa'
  UNION ALL
  SELECT above.peer_id, accounts.parent_id FROM above JOIN accounts ON accounts.id = above.account_id
  WHERE accounts.parent_id IS NOT NULL
)
SELECT COUNT(*) FROM above WHERE account_id = $1
