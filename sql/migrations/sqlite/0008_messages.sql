-- Credit that is held without a call, and the messages and campaigns it is held for.
-- Money is nano-units, times are microseconds since the epoch.

-- What is set aside of each payer, by the name of what it is for. It goes in the transaction that charges or gives it back.
CREATE TABLE held_credit (
    reference  TEXT    NOT NULL,
    position   INTEGER NOT NULL,
    account_id INTEGER NOT NULL CHECK (account_id > 0),
    amount     INTEGER NOT NULL CHECK (amount >= 0),
    kind       TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (reference, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX held_credit_by_account ON held_credit (account_id);

CREATE TABLE sms_campaigns (
    id           INTEGER NOT NULL PRIMARY KEY,
    account_id   INTEGER NOT NULL,
    -- Its credit is held under this name.
    reference    TEXT    NOT NULL UNIQUE,
    provider     TEXT    NOT NULL,
    sender_id    TEXT,
    body         TEXT    NOT NULL,
    encoding     TEXT    NOT NULL,
    segments     INTEGER NOT NULL CHECK (segments > 0),
    scheduled_at INTEGER,
    created_at   INTEGER NOT NULL,
    finished_at  INTEGER,
    -- STAGING until all recipients are written: such a one is nobody's and is swept at the next start.
    state        TEXT    NOT NULL CHECK (state IN ('STAGING', 'QUEUED', 'RUNNING', 'COMPLETED', 'CANCELLED')),
    recipients   INTEGER NOT NULL CHECK (recipients >= 0),
    -- Recipients whose message is not at its end: waiting, or being sent.
    waiting      INTEGER NOT NULL CHECK (waiting >= 0),
    sent         INTEGER NOT NULL CHECK (sent >= 0),
    delivered    INTEGER NOT NULL CHECK (delivered >= 0),
    failed       INTEGER NOT NULL CHECK (failed >= 0),
    unknown      INTEGER NOT NULL CHECK (unknown >= 0),
    cancelled    INTEGER NOT NULL CHECK (cancelled >= 0),
    -- What the client was charged so far.
    cost         INTEGER NOT NULL CHECK (cost >= 0)
) STRICT;
CREATE INDEX sms_campaigns_by_account ON sms_campaigns (account_id, id DESC);
CREATE INDEX sms_campaigns_unfinished ON sms_campaigns (state, id) WHERE waiting > 0;

CREATE TABLE sms_messages (
    id          INTEGER NOT NULL PRIMARY KEY,
    account_id  INTEGER NOT NULL,
    campaign_id INTEGER,
    -- The name that the provider is given, and under which credit is held where there is no campaign.
    reference   TEXT    NOT NULL UNIQUE,
    provider    TEXT    NOT NULL,
    phone       TEXT    NOT NULL,
    sender_id   TEXT,
    -- Null: the campaign's.
    body        TEXT,
    encoding    TEXT    NOT NULL,
    segments    INTEGER NOT NULL CHECK (segments > 0),
    scheduled_at INTEGER,
    -- When it is to be sent, or sent again.
    due_at      INTEGER NOT NULL,
    -- Until when it is tried: null until a first try found no taker.
    give_up_at  INTEGER,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    sent_at     INTEGER,
    delivered_at INTEGER,
    state       TEXT    NOT NULL CHECK (state IN ('SCHEDULED', 'QUEUED', 'SENDING', 'SENT_TO_PROVIDER', 'DELIVERED',
                                                  'FAILED', 'EXPIRED', 'REJECTED', 'UNKNOWN', 'CANCELLED')),
    -- Whoever took it to send it, as long as it is SENDING.
    claim       INTEGER,
    attempts    INTEGER NOT NULL,
    -- Who pays what: the client first, then each reseller above.
    payer_1     INTEGER NOT NULL,
    charge_1    INTEGER NOT NULL CHECK (charge_1 >= 0),
    payer_2     INTEGER,
    charge_2    INTEGER NOT NULL CHECK (charge_2 >= 0),
    payer_3     INTEGER,
    charge_3    INTEGER NOT NULL CHECK (charge_3 >= 0),
    payer_4     INTEGER,
    charge_4    INTEGER NOT NULL CHECK (charge_4 >= 0),
    -- By which rates: JSON, one object for each payer.
    prices      TEXT    NOT NULL,
    -- The transaction that charged it.
    tx_id       INTEGER,
    failure     TEXT,
    upstream_cost     INTEGER,
    upstream_currency TEXT,
    -- When its provider is asked about it.
    ask_at      INTEGER,
    asked       INTEGER NOT NULL
) STRICT;
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
    message_id  INTEGER NOT NULL,
    delivery    TEXT,
    failure     TEXT,
    -- When it ended so, as the provider says, never later than we heard of it.
    ended_at    INTEGER,
    at          INTEGER NOT NULL,
    PRIMARY KEY (provider, upstream_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX sms_parts_by_message ON sms_parts (message_id, at);
