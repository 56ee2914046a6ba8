DELETE FROM names WHERE name = $1
