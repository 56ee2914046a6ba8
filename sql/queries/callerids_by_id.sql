SELECT id, account_id, cid, name, approved, created_at_us FROM callerids WHERE id = $1
