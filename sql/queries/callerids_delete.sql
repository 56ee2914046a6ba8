DELETE FROM callerids WHERE id = $1
