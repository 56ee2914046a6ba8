-- Credit that is held without a call, and the messages and campaigns it is held for.
-- Money is nano-units, times are microseconds since the epoch.

-- What is set aside of each payer, by the name of what it is for. It goes in the transaction that charges or gives it back.
CREATE TABLE held_credit (
    reference  TEXT    NOT NULL,
    position   BIGINT NOT NULL,
    account_id BIGINT NOT NULL CHECK (account_id > 0),
    amount     BIGINT NOT NULL CHECK (amount >= 0),
    kind       TEXT    NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (reference, position)
);
CREATE INDEX held_credit_by_account ON held_credit (account_id);

CREATE TABLE sms_campaigns (
    id           BIGINT NOT NULL PRIMARY KEY,
    account_id   BIGINT NOT NULL,
    -- Its credit is held under this name.
    reference    TEXT    NOT NULL UNIQUE,
    provider     TEXT    NOT NULL,
    sender_id    TEXT,
    body         TEXT    NOT NULL,
    encoding     TEXT    NOT NULL,
    segments     BIGINT NOT NULL CHECK (segments > 0),
    scheduled_at BIGINT,
    created_at   BIGINT NOT NULL,
    finished_at  BIGINT,
    -- STAGING until all recipients are written: such a one is nobody's and is swept at the next start.
    state        TEXT    NOT NULL CHECK (state IN ('STAGING', 'QUEUED', 'RUNNING', 'COMPLETED', 'CANCELLED')),
    recipients   BIGINT NOT NULL CHECK (recipients >= 0),
    -- Recipients whose message is not at its end: waiting, or being sent.
    waiting      BIGINT NOT NULL CHECK (waiting >= 0),
    sent         BIGINT NOT NULL CHECK (sent >= 0),
    delivered    BIGINT NOT NULL CHECK (delivered >= 0),
    failed       BIGINT NOT NULL CHECK (failed >= 0),
    unknown      BIGINT NOT NULL CHECK (unknown >= 0),
    cancelled    BIGINT NOT NULL CHECK (cancelled >= 0),
    -- What the client was charged so far.
    cost         BIGINT NOT NULL CHECK (cost >= 0)
);
CREATE INDEX sms_campaigns_by_account ON sms_campaigns (account_id, id DESC);
CREATE INDEX sms_campaigns_unfinished ON sms_campaigns (state, id) WHERE waiting > 0;

CREATE TABLE sms_messages (
    id          BIGINT NOT NULL PRIMARY KEY,
    account_id  BIGINT NOT NULL,
    campaign_id BIGINT,
    -- The name that the provider is given, and under which credit is held where there is no campaign.
    reference   TEXT    NOT NULL UNIQUE,
    provider    TEXT    NOT NULL,
    phone       TEXT    NOT NULL,
    sender_id   TEXT,
    -- Null: the campaign's.
    body        TEXT,
    encoding    TEXT    NOT NULL,
    segments    BIGINT NOT NULL CHECK (segments > 0),
    scheduled_at BIGINT,
    -- When it is to be sent, or sent again.
    due_at      BIGINT NOT NULL,
    -- Until when it is tried: null until a first try found no taker.
    give_up_at  BIGINT,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    sent_at     BIGINT,
    delivered_at BIGINT,
    state       TEXT    NOT NULL CHECK (state IN ('SCHEDULED', 'QUEUED', 'SENDING', 'SENT_TO_PROVIDER', 'DELIVERED',
                                                  'FAILED', 'EXPIRED', 'REJECTED', 'UNKNOWN', 'CANCELLED')),
    -- Whoever took it to send it, as long as it is SENDING.
    claim       BIGINT,
    attempts    BIGINT NOT NULL,
    -- Who pays what: the client first, then each reseller above.
    payer_1     BIGINT NOT NULL,
    charge_1    BIGINT NOT NULL CHECK (charge_1 >= 0),
    payer_2     BIGINT,
    charge_2    BIGINT NOT NULL CHECK (charge_2 >= 0),
    payer_3     BIGINT,
    charge_3    BIGINT NOT NULL CHECK (charge_3 >= 0),
    payer_4     BIGINT,
    charge_4    BIGINT NOT NULL CHECK (charge_4 >= 0),
    -- By which rates: JSON, one object for each payer.
    prices      TEXT    NOT NULL,
    -- The transaction that charged it.
    tx_id       BIGINT,
    failure     TEXT,
    upstream_cost     BIGINT,
    upstream_currency TEXT,
    -- When its provider is asked about it.
    ask_at      BIGINT,
    asked       BIGINT NOT NULL
);
CREATE INDEX sms_messages_by_account ON sms_messages (account_id, id DESC);
CREATE INDEX sms_messages_by_campaign ON sms_messages (campaign_id, id) WHERE campaign_id IS NOT NULL;
CREATE INDEX sms_messages_waiting ON sms_messages (provider, due_at, id)
    WHERE state IN ('SCHEDULED', 'QUEUED') AND campaign_id IS NULL;
CREATE INDEX sms_messages_waiting_of_campaigns ON sms_messages (provider, due_at, id)
    WHERE state IN ('SCHEDULED', 'QUEUED') AND campaign_id IS NOT NULL;
CREATE INDEX sms_messages_sending ON sms_messages (id) WHERE state = 'SENDING';
CREATE INDEX sms_messages_asked ON sms_messages (provider, ask_at) WHERE ask_at IS NOT NULL;
CREATE INDEX sms_messages_scheduled ON sms_messages (account_id, id DESC) WHERE scheduled_at IS NOT NULL AND campaign_id IS NULL;
-- A transaction charges one message.
CREATE UNIQUE INDEX sms_messages_by_tx ON sms_messages (tx_id) WHERE tx_id IS NOT NULL;
CREATE INDEX sms_messages_unknown ON sms_messages (id) WHERE state = 'UNKNOWN';

-- The provider's names of a message and its parts: receipts come under them.
CREATE TABLE sms_parts (
    provider    TEXT    NOT NULL,
    upstream_id TEXT    NOT NULL,
    -- 0: a receipt that came before the provider's answer was written.
    message_id  BIGINT NOT NULL,
    delivery    TEXT,
    failure     TEXT,
    -- When it ended so, as the provider says, never later than we heard of it.
    ended_at    BIGINT,
    at          BIGINT NOT NULL,
    PRIMARY KEY (provider, upstream_id)
);
CREATE INDEX sms_parts_by_message ON sms_parts (message_id, at);
