//! Storage: contains every SQL statement of the service.
//!
//! Two databases, one text per query: `SQLite` (embedded: WAL, synchronous=FULL, one writer and a pool of readers) and
//! `PostgreSQL` (the shared ledger). Placeholders are `$1`; ids, money and microseconds are 64-bit integers in both.
//! Fixed texts are files in `sql/queries/`, which a test prepares on both databases.
//!
//! A module per stored entity, each adding methods to [`Store`] (reads, and writes that are complete by themselves) and
//! to [`Tx`] (writes that are part of a larger transaction):
//!
//! ```no_run
//! # async fn example() -> Result<(), tollgate::store::StoreError> {
//! let store = tollgate::store::Store::open("sqlite://tollgate.db").await?;
//! store.migrate(jiff::Timestamp::UNIX_EPOCH).await?;
//! let mut tx = store.begin().await?;
//! tx.append_feed("plan", 7, jiff::Timestamp::UNIX_EPOCH).await?;
//! tx.commit().await?;
//! # Ok(()) }
//! ```

pub mod accounts;
pub mod attempts;
pub(crate) mod audit;
pub mod backup;
pub mod balances;
pub mod batch;
pub mod callerids;
pub mod campaigns;
mod catalog;
pub mod cdr;
mod cdr_rows;
pub mod cdr_view;
mod commit;
mod error;
pub mod esim;
pub mod esim_orders;
pub mod expired;
mod feed;
mod generated;
mod head;
pub mod held;
pub mod history;
pub mod idempotency;
mod insert;
pub mod keys;
pub mod message_lists;
pub mod message_queues;
pub mod messages;
mod meta;
mod migrations;
mod open;
pub mod open_calls;
pub mod owner;
mod partitions;
pub mod payments;
pub mod peers;
pub mod posting;
pub mod profiles;
pub mod receipts;
mod references;
mod session;
pub mod spending_days;
pub mod subaccounts;
mod time;
pub mod transfers;
pub mod unsent;
pub mod vouchers;

pub(crate) use catalog::plan_by_id;
pub use catalog::{FxRate, NewTariffVersion, OverridePrice, PlanVersion, StaleDeck, TariffVersion, TrunkRow};
pub use commit::{CommitError, Evidence, Patience};
pub use error::{Failure, StoreError};
pub use feed::Change;
pub use generated::generated_queries;
pub use head::{Head, Reserved};
pub use open::{Db, Store};
pub use session::{Reader, Session, Side, Tx};
pub(crate) use session::{on, row};
pub use time::{from_micros, to_micros};

/// Waits for the database at most this long; a server that vanished silently never answers.
pub async fn within<T>(
    patience: std::time::Duration,
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    tokio::time::timeout(patience, answer).await.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut.into()))
}
