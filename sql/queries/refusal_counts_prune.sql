DELETE FROM refusal_counts
WHERE (source, reason, minute) IN (SELECT source, reason, minute FROM refusal_counts WHERE minute < $1 LIMIT $2)
