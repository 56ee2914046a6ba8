SELECT activation_code FROM esim_orders WHERE qr_token = $1
