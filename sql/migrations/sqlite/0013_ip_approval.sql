-- A claim of an address can be pending. What was there before is in force. Several can be pending for one address; one is in
-- force.
ALTER TABLE peers ADD COLUMN approved INTEGER NOT NULL DEFAULT 1 CHECK (approved IN (0, 1));
DROP INDEX peers_one_per_address;
CREATE UNIQUE INDEX peers_one_per_address ON peers (source_ip) WHERE kind = 'ipa' AND active = 1 AND approved = 1;
CREATE INDEX peers_addresses ON peers (account_id) WHERE kind = 'ipa';
