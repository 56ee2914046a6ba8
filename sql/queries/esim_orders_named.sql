SELECT id FROM esim_orders WHERE order_no = $1 OR tran_no = $1 OR iccid = $1 ORDER BY id DESC LIMIT 1
