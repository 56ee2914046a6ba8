SELECT id FROM plans WHERE name = $1
