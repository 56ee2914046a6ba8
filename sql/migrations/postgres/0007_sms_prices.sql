-- What messages cost.

-- What a tariff prices: calls (a row's price is that of a minute) or messages (that of a segment). It never changes.
ALTER TABLE tariffs ADD COLUMN kind TEXT NOT NULL DEFAULT 'voice' CHECK (kind IN ('voice', 'sms'));

-- The tariff that the plan sells messages by; the base plan's where null.
ALTER TABLE plan_versions ADD COLUMN sms_tariff_id BIGINT;
