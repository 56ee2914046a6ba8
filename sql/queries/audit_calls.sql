SELECT cdrs.id, cdrs.tx_id, cdrs.disposition, cdrs.answered_at, cdrs.answered_ms, cdrs.charged_ms,
       cdrs.buy_billed_seconds, cdrs.buy_cost, cdrs.buy_rate_json, cdrs.margin, call_keys.cdr_id AS key_cdr_id
FROM cdrs
LEFT JOIN call_keys
    ON call_keys.server = cdrs.server AND call_keys.unique_id = cdrs.unique_id AND call_keys.leg = cdrs.leg
WHERE cdrs.id > $1 AND cdrs.id <= $2
ORDER BY cdrs.id
LIMIT 512
