SELECT cdrs.id, cdrs.tx_id, cdrs.disposition, cdrs.answered_at, cdrs.answered_ms, cdrs.charged_ms,
       cdrs.buy_billed_seconds, cdrs.buy_cost, cdrs.buy_rate_json, cdrs.margin,
       CASE WHEN n.cdr_id = cdrs.id AND n.replaced_cdr = call_keys.cdr_id AND call_keys.provisional THEN cdrs.id
            ELSE call_keys.cdr_id END AS key_cdr_id
FROM cdrs
LEFT JOIN call_keys
    ON call_keys.server = cdrs.server AND call_keys.unique_id = cdrs.unique_id AND call_keys.leg = cdrs.leg
LEFT JOIN call_corrections n ON n.server = cdrs.server AND n.unique_id = cdrs.unique_id AND n.leg = cdrs.leg
WHERE cdrs.id > $1 AND cdrs.id <= $2
ORDER BY cdrs.id
LIMIT 512
