-- Spending days that began under a plan which the account has no longer: each counts against the daily limit until it is
-- over, beside the day of the present plan's zone.
CREATE TABLE spending_days (
  account_id INTEGER NOT NULL REFERENCES accounts (id),
  since_us INTEGER NOT NULL,
  until_us INTEGER NOT NULL,
  PRIMARY KEY (account_id, since_us, until_us)
) STRICT;
