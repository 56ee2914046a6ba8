SELECT owner_id FROM plans WHERE id = $1
