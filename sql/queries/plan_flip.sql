UPDATE plans SET version_id = $2 WHERE id = $1
