-- What the journal knows of a call that is metered: for how many seconds its holds pay, to which second Asterisk was told to
-- let it run, when it was answered, and when it was last known to be alive.
ALTER TABLE open_calls ADD COLUMN funded_seconds BIGINT NOT NULL DEFAULT 0;
ALTER TABLE open_calls ADD COLUMN pushed_seconds BIGINT NOT NULL DEFAULT 0;
ALTER TABLE open_calls ADD COLUMN answered_at BIGINT;
ALTER TABLE open_calls ADD COLUMN alive_at BIGINT;
-- Calls that were granted before were held whole.
UPDATE open_calls SET funded_seconds = (hold_until - granted_at) / 1000000;
