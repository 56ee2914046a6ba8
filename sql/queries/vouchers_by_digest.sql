SELECT id, amount, issuer_id, redeemed_at_us FROM vouchers WHERE code_digest = $1
