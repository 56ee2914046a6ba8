SELECT source, reason, minute, count
FROM refusal_counts
WHERE minute >= $1
ORDER BY minute DESC, count DESC, source, reason
LIMIT $2
