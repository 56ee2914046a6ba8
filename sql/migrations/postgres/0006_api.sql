-- What the HTTP APIs stand on: keys, passwords, profiles, caller numbers, vouchers, transfers, payments, subaccounts.

-- Keys are 192 random bits; what is kept is their SHA-256. A key that was revoked stays, so that it is never anybody's again.
CREATE TABLE api_keys (
  -- The feed position of the change that made it.
  id BIGINT PRIMARY KEY,
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  digest BYTEA NOT NULL UNIQUE,
  -- Whether the subaccounts API answers this key with numbers where its document shows text.
  numbers BIGINT NOT NULL CHECK (numbers IN (0, 1)),
  created_at_us BIGINT NOT NULL,
  revoked_at_us BIGINT
);
CREATE INDEX api_keys_by_account ON api_keys (account_id);

-- What an account proves itself with beside its keys: a password (argon2id, PHC string) and the secret of signed requests, encrypted.
CREATE TABLE credentials (
  account_id BIGINT PRIMARY KEY REFERENCES accounts (id),
  password TEXT,
  signing_key_id BIGINT CHECK (signing_key_id BETWEEN 0 AND 65535),
  signing_secret BYTEA,
  CHECK ((signing_secret IS NULL) = (signing_key_id IS NULL))
);

-- Whom an account belongs to, as far as it was told.
CREATE TABLE profiles (
  account_id BIGINT PRIMARY KEY REFERENCES accounts (id),
  email TEXT,
  phone TEXT,
  language TEXT,
  contact_name TEXT,
  company TEXT
);

-- Numbers an account may present. The active one is in accounts.callerid.
CREATE TABLE callerids (
  -- The feed position of the change that made it.
  id BIGINT PRIMARY KEY,
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  cid TEXT NOT NULL CHECK (cid <> ''),
  name TEXT NOT NULL,
  -- 0: it waits for the operator's word (callerid.policy).
  approved BIGINT NOT NULL CHECK (approved IN (0, 1)),
  created_at_us BIGINT NOT NULL,
  UNIQUE (account_id, cid)
);

-- Codes are at least 80 random bits; what is kept is their SHA-256. A voucher is redeemed once.
CREATE TABLE vouchers (
  id BIGINT PRIMARY KEY,
  code_digest BYTEA NOT NULL UNIQUE,
  amount BIGINT NOT NULL CHECK (amount > 0),
  -- Whose clients may redeem it; the operator's direct clients where nobody's.
  issuer_id BIGINT REFERENCES accounts (id),
  created_at_us BIGINT NOT NULL,
  redeemed_by BIGINT REFERENCES accounts (id),
  redeemed_at_us BIGINT,
  tx_id BIGINT,
  CHECK ((redeemed_by IS NULL) = (redeemed_at_us IS NULL)),
  CHECK ((redeemed_by IS NULL) = (tx_id IS NULL))
);

-- Retail credit that resellers gave their clients, and what of it was refused. Ids are those of the book's transactions.
CREATE TABLE transfers (
  id BIGINT PRIMARY KEY,
  reseller_id BIGINT NOT NULL REFERENCES accounts (id),
  external_id TEXT NOT NULL,
  -- As it was asked for: of a refused one it may be nobody's.
  login TEXT NOT NULL,
  amount BIGINT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('success', 'failed')),
  -- Machine code of the refusal.
  reason TEXT,
  -- What the client had after it.
  client_balance BIGINT,
  created_at_us BIGINT NOT NULL,
  CHECK ((status = 'failed') = (reason IS NOT NULL)),
  CHECK ((status = 'success') = (client_balance IS NOT NULL))
);
CREATE UNIQUE INDEX transfers_once ON transfers (reseller_id, external_id) WHERE status = 'success';
CREATE INDEX transfers_by_reseller ON transfers (reseller_id, id);

-- Payments that resellers' portals received, credited or not.
CREATE TABLE payments (
  -- The feed position of the change that made it.
  id BIGINT PRIMARY KEY,
  reseller_id BIGINT NOT NULL REFERENCES accounts (id),
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  external_id TEXT NOT NULL,
  amount BIGINT NOT NULL CHECK (amount > 0),
  currency TEXT NOT NULL,
  provider TEXT NOT NULL,
  -- Empty until it is known.
  provider_txid TEXT NOT NULL,
  status TEXT NOT NULL,
  -- The book's transaction that credited it.
  tx_id BIGINT,
  -- What the client had after it.
  client_balance BIGINT,
  created_at_us BIGINT NOT NULL,
  changed_at_us BIGINT NOT NULL,
  CHECK ((tx_id IS NULL) = (client_balance IS NULL)),
  UNIQUE (reseller_id, external_id)
);
CREATE UNIQUE INDEX payments_once ON payments (reseller_id, provider, provider_txid) WHERE provider_txid <> '';

-- The plan that a reseller's clients get when none is named.
CREATE TABLE retail_plans (
  reseller_id BIGINT PRIMARY KEY REFERENCES accounts (id),
  plan_id BIGINT NOT NULL
);

-- What only subaccounts have. Their client is accounts.parent_id.
CREATE TABLE subaccounts (
  account_id BIGINT PRIMARY KEY REFERENCES accounts (id),
  -- Automatic top-up: below so much, so much is moved here from the client. Off while the amount is 0.
  topup_threshold BIGINT NOT NULL CHECK (topup_threshold >= 0),
  topup_amount BIGINT NOT NULL CHECK (topup_amount >= 0),
  -- Whether it was set since the subaccount was made: read shows null before.
  topup_set BIGINT NOT NULL CHECK (topup_set IN (0, 1)),
  -- 0 from a top-up until the balance is at the threshold again: once per crossing.
  topup_armed BIGINT NOT NULL CHECK (topup_armed IN (0, 1)),
  deleted_at_us BIGINT
);

-- Answers of requests that moved money, by the Idempotency-Key they came with: the same request again gets the same answer.
CREATE TABLE idempotent_answers (
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  idempotency_key TEXT NOT NULL,
  -- SHA-256 of API, endpoint and body.
  request_digest BYTEA NOT NULL,
  -- Encrypted: it may hold a password that is shown once.
  sealed_key_id BIGINT NOT NULL CHECK (sealed_key_id BETWEEN 0 AND 65535),
  sealed_answer BYTEA NOT NULL,
  created_at_us BIGINT NOT NULL,
  PRIMARY KEY (account_id, idempotency_key)
);

-- Lists of clients are read by reseller, newest first.
CREATE INDEX accounts_by_parent_newest ON accounts (parent_id, id);
DROP INDEX accounts_by_parent;

-- What was put into an account: few entries among those of its calls.
CREATE INDEX entries_beside_calls ON entries (account_id, id) WHERE kind <> 'call';
