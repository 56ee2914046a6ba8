UPDATE vouchers SET redeemed_by = $2, redeemed_at_us = $3, tx_id = $4 WHERE id = $1 AND redeemed_by IS NULL
