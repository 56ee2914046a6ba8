-- Accounts: resellers, clients and subaccounts. Ids below 100 are the book's own accounts and have no row here.
CREATE TABLE accounts (
  id BIGINT PRIMARY KEY CHECK (id >= 100),
  login TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('reseller', 'client', 'subaccount')),
  parent_id BIGINT REFERENCES accounts (id),
  plan_id BIGINT NOT NULL,
  active BIGINT NOT NULL CHECK (active IN (0, 1)),
  credit_limit_nanos BIGINT NOT NULL CHECK (credit_limit_nanos >= 0),
  max_calls BIGINT CHECK (max_calls >= 0),
  calls_per_second BIGINT CHECK (calls_per_second >= 0),
  daily_spend_nanos BIGINT CHECK (daily_spend_nanos >= 0),
  max_price_nanos BIGINT CHECK (max_price_nanos >= 0),
  max_call_seconds BIGINT CHECK (max_call_seconds > 0),
  blocked_prefixes TEXT NOT NULL,
  callerid TEXT,
  dial_rules TEXT,
  allow_loss BIGINT NOT NULL CHECK (allow_loss IN (0, 1)),
  created_at_us BIGINT NOT NULL
);
CREATE INDEX accounts_by_parent ON accounts (parent_id);

-- One namespace for logins and peer names.
CREATE TABLE names (
  name TEXT PRIMARY KEY,
  account_id BIGINT NOT NULL REFERENCES accounts (id)
);

-- SIP accounts: the PJSIP endpoints a call can come from. The main one is named like its account's login.
CREATE TABLE sip_accounts (
  name TEXT PRIMARY KEY REFERENCES names (name),
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  main BIGINT NOT NULL CHECK (main IN (0, 1)),
  active BIGINT NOT NULL CHECK (active IN (0, 1)),
  created_at_us BIGINT NOT NULL
);
CREATE INDEX sip_accounts_by_account ON sip_accounts (account_id);

-- A few facts about the deployment itself, by name.
CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
);
