-- Rows that nobody paid for are bounded, so they can be counted and deleted.

-- Recipients without a message row: numbers without a price, and refused messages that were deleted; cancelled messages
-- that were deleted. The campaign's failed and cancelled include them.
ALTER TABLE sms_campaigns ADD COLUMN failed_unstored BIGINT NOT NULL DEFAULT 0 CHECK (failed_unstored >= 0);
ALTER TABLE sms_campaigns ADD COLUMN cancelled_unstored BIGINT NOT NULL DEFAULT 0 CHECK (cancelled_unstored >= 0);

-- Messages that no provider has: waiting, cancelled or refused.
CREATE INDEX sms_messages_unsent ON sms_messages (account_id, state, updated_at) WHERE sent_at IS NULL;
-- Campaigns that cost nothing.
CREATE INDEX sms_campaigns_uncharged ON sms_campaigns (account_id, finished_at)
    WHERE finished_at IS NOT NULL AND sent = 0 AND unknown = 0 AND cost = 0;

CREATE INDEX idempotent_answers_by_age ON idempotent_answers (created_at_us);
CREATE INDEX transfers_failed ON transfers (reseller_id, id) WHERE status = 'failed';
CREATE INDEX payments_uncredited ON payments (reseller_id, changed_at_us) WHERE tx_id IS NULL;
CREATE INDEX refusal_counts_by_minute ON refusal_counts (minute);
