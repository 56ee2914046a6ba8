//! Commits whose outcome may be in doubt.
//!
//! A connection that breaks during COMMIT leaves it open if the transaction is in the database. The evidence of it is
//! then looked for, until the database answers, under the counters' lock, which a transaction still in progress would
//! hold.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::error::StoreError;
use super::head::Reserved;
use super::open::Store;
use super::session::Tx;

/// Pause between two queries for the evidence.
const RETRY_EVERY: Duration = Duration::from_millis(200);

/// Evidence that a transaction was committed.
pub trait Evidence: Sync {
    /// Reports whether the transaction is in the database. No other writer is active meanwhile.
    fn is_committed(&self, tx: &mut Tx) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// How long to keep querying about a commit in doubt.
#[derive(Clone, Copy, Debug)]
pub enum Patience<'a> {
    /// Until the database answers.
    Unlimited,
    /// At most this long.
    AtMost(Duration),
    /// Until the process stops.
    UntilStop(&'a CancellationToken),
}

impl Patience<'_> {
    /// Waits before the next query; `false` if the patience has elapsed.
    async fn pause(self, since: Instant) -> bool {
        match self {
            Self::Unlimited => {
                sleep(RETRY_EVERY).await;
                true
            }
            Self::AtMost(limit) => {
                sleep(RETRY_EVERY).await;
                since.elapsed() < limit
            }
            Self::UntilStop(stop) => tokio::select! {
                () = stop.cancelled() => false,
                () = sleep(RETRY_EVERY) => true,
            },
        }
    }
}

/// A commit that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The transaction is not in the database.
    #[error("not committed: {0}")]
    NotCommitted(StoreError),
    /// The outcome is unknown.
    #[error("commit in doubt: {0}")]
    InDoubt(StoreError),
}

impl CommitError {
    /// The error of the commit itself.
    pub fn into_store_error(self) -> StoreError {
        match self {
            Self::NotCommitted(error) | Self::InDoubt(error) => error,
        }
    }
}

impl Store {
    /// Commits a transaction. If the outcome is in doubt, looks for the evidence. On `Ok` the transaction is durable.
    pub async fn commit(
        &self,
        tx: Tx,
        evidence: &impl Evidence,
        patience: Patience<'_>,
    ) -> Result<(), CommitError> {
        match tx.commit().await {
            Ok(()) => Ok(()),
            Err(error) => self.resolve_commit(error, evidence, patience).await,
        }
    }

    /// Determines the outcome of a commit that failed with `error`.
    async fn resolve_commit(
        &self,
        error: StoreError,
        evidence: &impl Evidence,
        patience: Patience<'_>,
    ) -> Result<(), CommitError> {
        tracing::warn!(%error, "commit in doubt");
        let since = Instant::now();
        while patience.pause(since).await {
            match self.look_for(evidence).await {
                Ok(true) => {
                    tracing::info!(committed = true, "commit resolved");
                    return Ok(());
                }
                Ok(false) => {
                    tracing::info!(committed = false, "commit resolved");
                    return Err(CommitError::NotCommitted(error));
                }
                Err(error) => tracing::debug!(%error, "commit still in doubt"),
            }
        }
        Err(CommitError::InDoubt(error))
    }

    /// Waits until every transaction in progress on another connection has ended; `false` if the patience has elapsed.
    pub async fn wait_for_writers(&self, patience: Patience<'_>) -> bool {
        let since = Instant::now();
        loop {
            let waited = async {
                let mut tx = self.begin().await?;
                tx.reserve_ids(Reserved::default()).await?;
                tx.rollback().await
            };
            match waited.await {
                Ok(()) => return true,
                Err(error) => tracing::debug!(%error, "database still unavailable"),
            }
            if !patience.pause(since).await {
                return false;
            }
        }
    }

    async fn look_for(&self, evidence: &impl Evidence) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        tx.reserve_ids(Reserved::default()).await?;
        let is_committed = evidence.is_committed(&mut tx).await?;
        tx.rollback().await?;
        Ok(is_committed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, SystemClock};

    /// A row of `meta`.
    struct Row(&'static str);

    impl Evidence for Row {
        async fn is_committed(&self, tx: &mut Tx) -> Result<bool, StoreError> {
            Ok(tx.meta(self.0).await?.is_some())
        }
    }

    fn lost() -> StoreError {
        sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into()).into()
    }

    async fn resolve_all(store: &Store) {
        store.migrate(SystemClock::new().now()).await.unwrap();
        let short = Patience::AtMost(Duration::from_secs(20));
        // The database has the row; only the answer was lost.
        let mut tx = store.begin().await.unwrap();
        tx.set_meta("there", "1").await.unwrap();
        tx.commit().await.unwrap();
        store.resolve_commit(lost(), &Row("there"), short).await.unwrap();
        // The row never arrived.
        let resolved = store.resolve_commit(lost(), &Row("gone"), short).await;
        assert!(matches!(resolved, Err(CommitError::NotCommitted(_))), "{resolved:?}");
        // The row arrives during the query: the query waits for the writer.
        let mut tx = store.begin().await.unwrap();
        tx.reserve_ids(Reserved::default()).await.unwrap();
        tx.set_meta("late", "1").await.unwrap();
        let row = Row("late");
        let (resolved, committed) = tokio::join!(store.resolve_commit(lost(), &row, short), async {
            sleep(Duration::from_millis(500)).await;
            tx.commit().await
        });
        committed.unwrap();
        resolved.unwrap();
        // The process stops before the database answers.
        let stop = CancellationToken::new();
        stop.cancel();
        let resolved = store.resolve_commit(lost(), &Row("there"), Patience::UntilStop(&stop)).await;
        assert!(matches!(resolved, Err(CommitError::InDoubt(_))), "{resolved:?}");
    }

    #[tokio::test]
    async fn a_commit_whose_answer_was_lost_is_resolved_on_sqlite() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite://{}", folder.path().join("t.db").display())).await.unwrap();
        resolve_all(&store).await;
    }

    #[tokio::test]
    async fn a_commit_whose_answer_was_lost_is_resolved_on_postgres() {
        let server = std::env::var("TOLLGATE_TEST_POSTGRES").unwrap();
        let name = format!("commit_{}", std::process::id());
        let admin = sqlx::PgPool::connect(&server).await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&admin).await.unwrap();
        let (base, _) = server.rsplit_once('/').unwrap();
        let store = Store::open(&format!("{base}/{name}")).await.unwrap();
        resolve_all(&store).await;
        store.close().await;
        sqlx::query(sqlx::AssertSqlSafe(format!("DROP DATABASE {name}"))).execute(&admin).await.unwrap();
    }
}
