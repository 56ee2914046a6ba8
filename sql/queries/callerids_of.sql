SELECT id, account_id, cid, name, approved, created_at_us FROM callerids WHERE account_id = $1 ORDER BY id DESC
