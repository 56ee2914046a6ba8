//! What is in the book, read beside the service.

use tollgate::store::{Session as _, Side, Store};

use super::TestApp;
use super::phone::Dial;

/// Runs a query on either database.
macro_rules! ask {
    ($store:expr, $c:ident => $body:expr) => {{
        let mut reader = $store.reader().await.unwrap();
        match reader.side() {
            Side::Sqlite($c) => $body,
            Side::Postgres($c) => $body,
        }
        .unwrap()
    }};
}

/// A call's record, amounts in nanos.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cdr {
    pub(crate) id: i64,
    pub(crate) kind: String,
    pub(crate) disposition: String,
    pub(crate) reason: Option<String>,
    pub(crate) endpoint: String,
    pub(crate) dialled: String,
    pub(crate) number: Option<String>,
    pub(crate) destination: Option<String>,
    pub(crate) answered_ms: i64,
    pub(crate) charged_ms: i64,
    pub(crate) overrun_ms: i64,
    pub(crate) trunk: Option<String>,
    pub(crate) route: i64,
    pub(crate) attempts: String,
    pub(crate) buy_cost: Option<i64>,
    pub(crate) margin: i64,
    pub(crate) source: Option<String>,
    pub(crate) payers: Vec<PayerLine>,
}

/// What one payer was charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PayerLine {
    pub(crate) login: String,
    pub(crate) prefix: String,
    pub(crate) price: i64,
    pub(crate) billed_seconds: i64,
    pub(crate) charge: i64,
}

const CDRS: &str = "SELECT id, kind, disposition, refused_reason, endpoint, dialled, number, destination, \
     answered_ms, charged_ms, overrun_ms, trunk_name, route, attempts, buy_cost, margin \
     FROM cdrs WHERE server = $1 AND unique_id = $2 \
     AND NOT EXISTS (SELECT 1 FROM call_corrections n WHERE n.replaced_cdr = cdrs.id) ORDER BY id";
const SOURCE: &str = "SELECT source_address FROM cdrs WHERE id = $1";
const PAYERS: &str = "SELECT a.login, COALESCE(p.prefix, ''), COALESCE(p.price, 0), p.billed_seconds, p.charge FROM cdr_payers p \
     JOIN accounts a ON a.id = p.account_id WHERE p.cdr_id = $1 ORDER BY p.position";
const CHARGES: &str = "SELECT c.unique_id, COALESCE(p.charge, 0), c.charged_ms, c.answered_ms, c.duration_source FROM cdrs c \
     LEFT JOIN cdr_payers p ON p.cdr_id = c.id AND p.position = 0 WHERE c.disposition <> 'refused' \
     AND NOT EXISTS (SELECT 1 FROM call_corrections n WHERE n.replaced_cdr = c.id) ORDER BY c.id";
const DISPOSITIONS: &str = "SELECT disposition FROM cdrs ORDER BY id";
const ACCOUNTS: &str = "SELECT id FROM accounts ORDER BY id";

type CdrColumns = (
    i64,
    String,
    String,
    Option<String>,
    String,
    String,
    Option<String>,
    Option<String>,
    i64,
    i64,
    i64,
    Option<String>,
    i64,
    String,
    Option<i64>,
    i64,
);

/// A number that the test's own query gives.
pub(crate) async fn number(store: &Store, query: &'static str) -> i64 {
    let row: (i64,) = ask!(store, c => sqlx::query_as(query).fetch_one(c).await);
    row.0
}

/// Every record of a channel that counts.
pub(crate) async fn cdrs(store: &Store, dial: &Dial) -> Vec<Cdr> {
    let rows: Vec<CdrColumns> =
        ask!(store, c => sqlx::query_as(CDRS).bind(&dial.server).bind(&dial.unique_id).fetch_all(c).await);
    let mut cdrs = Vec::new();
    for row in rows {
        let (source,): (Option<String>,) =
            ask!(store, c => sqlx::query_as(SOURCE).bind(row.0).fetch_one(c).await);
        let payers: Vec<(String, String, i64, i64, i64)> =
            ask!(store, c => sqlx::query_as(PAYERS).bind(row.0).fetch_all(c).await);
        let payers = payers.into_iter().map(|(login, prefix, price, billed_seconds, charge)| PayerLine {
            login,
            prefix,
            price,
            billed_seconds,
            charge,
        });
        cdrs.push(Cdr {
            id: row.0,
            kind: row.1,
            disposition: row.2,
            reason: row.3,
            endpoint: row.4,
            dialled: row.5,
            number: row.6,
            destination: row.7,
            answered_ms: row.8,
            charged_ms: row.9,
            overrun_ms: row.10,
            trunk: row.11,
            route: row.12,
            attempts: row.13,
            buy_cost: row.14,
            margin: row.15,
            source,
            payers: payers.collect(),
        });
    }
    cdrs
}

/// Every call's channel, what its client was charged, for how long, how long it was, and where that comes from.
pub(crate) async fn charges(store: &Store) -> Vec<(String, i64, i64, i64, String)> {
    ask!(store, c => sqlx::query_as(CHARGES).fetch_all(c).await)
}

impl TestApp {
    /// How each call ended, in the order of the book.
    pub(crate) async fn dispositions(&self) -> Vec<String> {
        let rows: Vec<(String,)> =
            ask!(self.services.store, c => sqlx::query_as(DISPOSITIONS).fetch_all(c).await);
        rows.into_iter().map(|(disposition,)| disposition).collect()
    }

    /// The one record of a channel. A call is no longer open a moment before its record is queued.
    pub(crate) async fn cdr(&self, dial: &Dial) -> Cdr {
        let mut found = Vec::new();
        for _ in 0..100 {
            self.flush().await;
            found = cdrs(&self.services.store, dial).await;
            if !found.is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert_eq!(found.len(), 1, "one record a call: {found:#?}");
        found.remove(0)
    }

    /// How many records a channel has.
    pub(crate) async fn cdr_count(&self, dial: &Dial) -> usize {
        self.flush().await;
        cdrs(&self.services.store, dial).await.len()
    }

    pub(crate) async fn account_ids(&self) -> Vec<i64> {
        let rows: Vec<(i64,)> = ask!(self.services.store, c => sqlx::query_as(ACCOUNTS).fetch_all(c).await);
        rows.into_iter().map(|(id,)| id).collect()
    }
}

/// Runs a statement of the test's own.
pub(crate) async fn execute(store: &Store, text: &'static str) {
    let mut tx = store.begin().await.unwrap();
    match tx.side() {
        Side::Sqlite(c) => sqlx::query(text).execute(c).await.map(drop),
        Side::Postgres(c) => sqlx::query(text).execute(c).await.map(drop),
    }
    .unwrap();
    tx.commit().await.unwrap();
}

/// Another process owns the wallets from now on.
pub(crate) async fn take_the_ownership_away(store: &Store) {
    execute(store, "UPDATE owners SET epoch = epoch + 1, lease_until = 9000000000000000").await;
}
