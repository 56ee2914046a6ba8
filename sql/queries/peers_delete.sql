DELETE FROM peers WHERE name = $1
