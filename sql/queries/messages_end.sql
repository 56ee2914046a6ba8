UPDATE sms_messages SET state = $2, updated_at = $3, sent_at = $4, tx_id = $5, failure = $6, upstream_cost = $7,
    upstream_currency = $8, ask_at = $9, due_at = COALESCE($10, due_at), give_up_at = COALESCE($11, give_up_at),
    claim = NULL
WHERE id = $1 AND state = 'SENDING' AND claim = $12
