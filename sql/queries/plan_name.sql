SELECT name FROM plans WHERE id = $1
