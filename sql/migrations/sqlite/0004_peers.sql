-- Peers: the PJSIP endpoints that calls come from. SIP accounts (`sip`), peers known by their address (`ipa`, named
-- `<sip account>_ipaN`) and web phones (`web`, named `<login>_webN`). The SIP accounts that were there move over.
CREATE TABLE peers (
  name TEXT PRIMARY KEY REFERENCES names (name),
  -- The feed position of the change that made it: unique for ever.
  peer_id INTEGER NOT NULL UNIQUE,
  account_id INTEGER NOT NULL REFERENCES accounts (id),
  kind TEXT NOT NULL CHECK (kind IN ('sip', 'ipa', 'web')),
  main INTEGER NOT NULL CHECK (main IN (0, 1)),
  active INTEGER NOT NULL CHECK (active IN (0, 1)),
  -- Of an `_ipaN`: the SIP account it belongs to, and its address.
  sip_account TEXT REFERENCES peers (name),
  source_ip TEXT,
  -- The N of `_ipaN` and `_webN`.
  number INTEGER CHECK (number >= 1),
  -- The SIP password, encrypted, and the key it is encrypted with.
  secret_key_id INTEGER CHECK (secret_key_id BETWEEN 0 AND 65535),
  secret BLOB,
  created_at_us INTEGER NOT NULL,
  changed_at_us INTEGER NOT NULL,
  CHECK (kind = 'sip' OR main = 0),
  CHECK ((kind = 'sip') = (number IS NULL)),
  CHECK ((kind = 'ipa') = (source_ip IS NOT NULL)),
  CHECK ((kind = 'ipa') = (sip_account IS NOT NULL)),
  CHECK (kind <> 'ipa' OR secret IS NULL),
  CHECK ((secret IS NULL) = (secret_key_id IS NULL))
) STRICT;
CREATE INDEX peers_by_account ON peers (account_id);
CREATE INDEX peers_by_sip_account ON peers (sip_account);
CREATE INDEX peers_by_secret_key ON peers (secret_key_id);
CREATE UNIQUE INDEX peers_one_main ON peers (account_id) WHERE main = 1;
-- An address speaks for one SIP account, over everybody: whose call is it otherwise?
CREATE UNIQUE INDEX peers_one_per_address ON peers (source_ip) WHERE kind = 'ipa' AND active = 1;

-- Each SIP account was made together with a change in the feed, so these ids are below every later position.
INSERT INTO peers (name, peer_id, account_id, kind, main, active, created_at_us, changed_at_us)
SELECT name, ROW_NUMBER() OVER (ORDER BY created_at_us, name), account_id, 'sip', main, active, created_at_us, created_at_us
FROM sip_accounts;
DROP TABLE sip_accounts;
