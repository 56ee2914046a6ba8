-- Data packages and who bought them.

-- The upstream's catalogue as it was last read. A package that vanished stays for its orders and is not sold.
CREATE TABLE esim_packages (
  code TEXT PRIMARY KEY CHECK (code <> ''),
  slug TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  -- What it costs us, in 1/10,000 of the currency.
  price_e4 BIGINT NOT NULL CHECK (price_e4 > 0),
  currency TEXT NOT NULL,
  volume_bytes BIGINT NOT NULL CHECK (volume_bytes >= 0),
  duration BIGINT NOT NULL CHECK (duration > 0),
  duration_unit TEXT NOT NULL,
  -- ISO 3166 codes, separated by commas.
  locations TEXT NOT NULL,
  -- Networks by country, JSON.
  coverage TEXT NOT NULL,
  gone BIGINT NOT NULL CHECK (gone IN (0, 1)),
  synced_at_us BIGINT NOT NULL
);

-- Prices that the operator has fixed; in nano-units of the wallets' currency.
CREATE TABLE esim_prices (
  package_code TEXT PRIMARY KEY REFERENCES esim_packages (code),
  client_price BIGINT CHECK (client_price > 0),
  reseller_price BIGINT CHECK (reseller_price > 0),
  -- 1: it may be sold below its cost.
  allow_loss BIGINT NOT NULL CHECK (allow_loss IN (0, 1)),
  set_at_us BIGINT NOT NULL,
  CHECK (client_price IS NOT NULL OR reseller_price IS NOT NULL)
);

-- Who bought what. An order that is settled has one transaction of the book; one that is pending or failed has none.
CREATE TABLE esim_orders (
  -- From the catalogue's counter.
  id BIGINT PRIMARY KEY,
  account_id BIGINT NOT NULL REFERENCES accounts (id),
  package_code TEXT NOT NULL REFERENCES esim_packages (code),
  package_name TEXT NOT NULL,
  -- What the buyer pays.
  price BIGINT NOT NULL CHECK (price > 0),
  -- What each reseller above the buyer pays.
  wholesale BIGINT NOT NULL CHECK (wholesale > 0),
  currency TEXT NOT NULL,
  -- What the upstream was told that it costs.
  cost_e4 BIGINT NOT NULL,
  cost_currency TEXT NOT NULL,
  -- Our name for it with the upstream: the same again is the same order.
  transaction_id TEXT NOT NULL UNIQUE,
  -- The name of its QR code in an address.
  qr_token TEXT NOT NULL UNIQUE,
  status TEXT NOT NULL CHECK (status IN ('PENDING', 'ALLOCATED', 'IN_USE', 'USED_UP', 'EXPIRED', 'CANCELLED', 'FAILED')),
  -- Why it failed, or what the upstream last said that was no answer; for the operator.
  reason TEXT,
  order_no TEXT,
  tran_no TEXT,
  iccid TEXT,
  activation_code TEXT,
  total_bytes BIGINT,
  used_bytes BIGINT,
  expires_at_us BIGINT,
  created_at_us BIGINT NOT NULL,
  updated_at_us BIGINT NOT NULL,
  -- When the upstream was last asked about it with an answer.
  asked_at_us BIGINT NOT NULL,
  -- The transaction of the book.
  tx_id BIGINT UNIQUE,
  CHECK ((tx_id IS NULL) = (status IN ('PENDING', 'FAILED'))),
  CHECK (tx_id IS NULL OR iccid IS NOT NULL)
);
CREATE INDEX esim_orders_by_account ON esim_orders (account_id, id);
CREATE INDEX esim_orders_by_status ON esim_orders (status, asked_at_us);
-- One order of the upstream's, and one eSIM, is sold once.
CREATE UNIQUE INDEX esim_orders_by_order_no ON esim_orders (order_no) WHERE order_no IS NOT NULL;
CREATE UNIQUE INDEX esim_orders_by_tran_no ON esim_orders (tran_no) WHERE tran_no IS NOT NULL;
-- The upstream uses card numbers again: of the eSIMs that live each has its own.
CREATE UNIQUE INDEX esim_orders_live_iccid ON esim_orders (iccid) WHERE status IN ('ALLOCATED', 'IN_USE');
CREATE INDEX esim_orders_by_iccid ON esim_orders (iccid);
