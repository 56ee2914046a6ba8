INSERT INTO callerids (id, account_id, cid, name, approved, created_at_us) VALUES ($1, $2, $3, $4, $5, $6)
