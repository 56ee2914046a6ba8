UPDATE esim_orders SET asked_at_us = $2 WHERE id = $1
