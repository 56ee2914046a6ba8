SELECT COUNT(*) FROM trunks WHERE endpoint = $1
