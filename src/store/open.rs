//! Opens either database with the settings that money requires.

use std::{
    str::FromStr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use sqlx::{
    Connection, Pool, Postgres, Sqlite,
    pool::PoolOptions,
    postgres::PgConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::{
    runtime::{self, Handle},
    sync::Semaphore,
};

use super::{Reader, StoreError, Tx, session::lost_transaction};

/// Connections for reading the embedded database: queries are short, and two cores serve no more at once.
const SQLITE_READERS: u32 = 4;
/// Connections to `PostgreSQL` for calls: the ledger writes over one, another renews the lease.
const POSTGRES_CONNECTIONS: u32 = 6;
/// Connections to `PostgreSQL` for requests.
const POSTGRES_CONNECTIONS_OF_REQUESTS: u32 = 8;
/// How long to wait for a connection before the database counts as unavailable.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long `SQLite` waits for another process' write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection returned to its pool may take to answer. A `PostgreSQL` that vanished silently never does, and
/// the pool has few connections.
const RELEASE_PATIENCE: Duration = Duration::from_secs(3);
/// Maximum requests that write to `SQLite` at once: the ledger and the lease wait for at most one of their
/// transactions.
const WRITING_REQUESTS: usize = 1;
/// Statement that begins a writing transaction of `SQLite`.
const BEGIN: &str = "BEGIN IMMEDIATE";
/// Capacity of the cache of prepared statements: multi-row inserts have three lengths for each table, each prepared
/// once per connection.
const STATEMENTS: usize = 256;
/// First version of `SQLite` without the bug that loses commits when two connections checkpoint the WAL at once.
const SQLITE_NEEDED: [u32; 3] = [3, 51, 3];

/// The two databases.
#[derive(Clone, Debug)]
pub enum Db {
    /// Embedded.
    Sqlite {
        /// A single connection: `SQLite` has one writer, and waiting in this queue is fairer than its busy handler.
        writer: Pool<Sqlite>,
        /// Connections that see the last commit and never wait for the writer.
        readers: Pool<Sqlite>,
    },
    /// Shared.
    Postgres(Pool<Postgres>),
}

/// The service's database. Cloning is cheap: it is a handle to pools.
///
/// A serving process has two sets of connections, selected by the calling runtime: requests have their own
/// ([`Store::separate_requests`]), so that no number of them deprives the ledger, the lease or the spool of a
/// connection. A `PostgreSQL` connection also receives data on the runtime that opened it, so a connection opened by
/// requests would serve the ledger only as fast as their load permits.
#[derive(Clone)]
pub struct Store {
    db: Db,
    url: Arc<str>,
    requests: Arc<OnceLock<OfRequests>>,
}

/// Access of the runtime of requests to the database.
#[derive(Debug)]
struct OfRequests {
    runtime: runtime::Id,
    db: Db,
    /// Runtime that opens transactions of the only writing connection of `SQLite`: its worker thread is started by the
    /// thread that opens it, and inherits that thread's priority.
    calls: Handle,
    /// Admits one request at a time to write to `SQLite`: others wait here and not in front of the ledger.
    turns: Arc<Semaphore>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may contain a password.
        f.debug_struct("Store").field("db", &self.db).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens `sqlite://FILE` (created if missing) or `postgres://…`.
    ///
    /// `SQLite` needs a file: each connection to an in-memory database would get a different one.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let db = match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") => open_sqlite(url).await?,
            Some("postgres" | "postgresql") => Db::Postgres(postgres_pool(url, POSTGRES_CONNECTIONS).await?),
            _ => return Err(StoreError::Url("must begin with sqlite:// or postgres://".to_owned())),
        };
        Ok(Self { db, url: url.into(), requests: Arc::default() })
    }

    /// Opens separate connections to the same database.
    pub(super) async fn reconnected(&self) -> Result<Self, StoreError> {
        Self::open(&self.url).await
    }

    /// Opens separate connections for all callers on this runtime, once.
    pub async fn separate_requests(&self, runtime: &Handle) -> Result<(), StoreError> {
        let open = {
            let (url, db) = (Arc::clone(&self.url), self.db.clone());
            async move {
                Ok::<_, StoreError>(match db {
                    Db::Sqlite { writer, .. } => {
                        Db::Sqlite { writer, readers: sqlite_readers(sqlite_options(&url)?).await? }
                    }
                    Db::Postgres(_) => {
                        Db::Postgres(postgres_pool(&url, POSTGRES_CONNECTIONS_OF_REQUESTS).await?)
                    }
                })
            }
        };
        let opened = runtime.spawn(open).await;
        let db = opened.unwrap_or_else(|_| Err(sqlx::Error::WorkerCrashed.into()))?;
        let requests = OfRequests {
            runtime: runtime.id(),
            db,
            calls: Handle::current(),
            turns: Arc::new(Semaphore::new(WRITING_REQUESTS)),
        };
        // A second set would never be used.
        let _ = self.requests.set(requests);
        Ok(())
    }

    /// Returns the access of requests if the caller is on their runtime.
    fn of_requests(&self) -> Option<&OfRequests> {
        let requests = self.requests.get()?;
        let here = Handle::try_current().ok()?;
        (here.id() == requests.runtime).then_some(requests)
    }

    /// Begins a writing transaction. On `SQLite` it first waits for the writer and is then the only one.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        let requests = self.of_requests();
        Ok(match requests.map_or(&self.db, |requests| &requests.db) {
            Db::Sqlite { writer, .. } => match requests {
                None => Tx::Sqlite(writer.begin_with(BEGIN).await.map_err(lost_transaction)?, None),
                Some(OfRequests { calls, turns, .. }) => {
                    let turn = tokio::time::timeout(BUSY_TIMEOUT, Arc::clone(turns).acquire_owned()).await;
                    // The semaphore is never closed.
                    let turn = turn.ok().and_then(Result::ok).ok_or(sqlx::Error::PoolTimedOut)?;
                    let writer = writer.clone();
                    let begun = calls.spawn(async move { writer.begin_with(BEGIN).await }).await;
                    let begun = begun.map_err(|_| sqlx::Error::WorkerCrashed)?;
                    Tx::Sqlite(begun.map_err(lost_transaction)?, Some(turn))
                }
            },
            Db::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// Returns a connection for reading committed data.
    pub async fn reader(&self) -> Result<Reader, StoreError> {
        Ok(match self.of_requests().map_or(&self.db, |requests| &requests.db) {
            Db::Sqlite { readers, .. } => Reader::Sqlite(readers.acquire().await?),
            Db::Postgres(pool) => Reader::Postgres(pool.acquire().await?),
        })
    }

    /// Reports whether it is `PostgreSQL`, for the few features that only one of the two has.
    pub const fn is_postgres(&self) -> bool {
        matches!(self.db, Db::Postgres(_))
    }

    /// Closes the connections, after those in use have finished.
    pub async fn close(&self) {
        match self.requests.get().map(|requests| &requests.db) {
            Some(Db::Sqlite { readers, .. }) => readers.close().await,
            Some(Db::Postgres(pool)) => pool.close().await,
            None => {}
        }
        match &self.db {
            Db::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Db::Postgres(pool) => pool.close().await,
        }
    }
}

/// Creates the database's file if needed, readable by its owner alone: it contains balances and call records.
fn make_private(file: &std::path::Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::Url(format!("{} cannot be made: {error}", file.display()))),
    }
}

/// Returns the options for opening the embedded database.
fn sqlite_options(url: &str) -> Result<SqliteConnectOptions, StoreError> {
    let options = SqliteConnectOptions::from_str(url).map_err(|error| StoreError::Url(error.to_string()))?;
    let name = options.get_filename().to_string_lossy();
    if name.is_empty()
        || name.contains(":memory:")
        || url.contains("mode=memory")
        || name.contains("sqlx-in-memory")
    {
        return Err(StoreError::Url("SQLite needs a file: sqlite://tollgate.db".to_owned()));
    }
    Ok(options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL: a commit is on disk before it is acknowledged; NORMAL in WAL mode loses the last ones in a power
        // failure.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(STATEMENTS))
}

async fn open_sqlite(url: &str) -> Result<Db, StoreError> {
    let options = sqlite_options(url)?;
    make_private(options.get_filename())?;
    let writer = sqlite_pool(1).connect_with(options.clone()).await?;
    let (found,): (String,) = sqlx::query_as("SELECT sqlite_version()").fetch_one(&writer).await?;
    if version(&found) < SQLITE_NEEDED {
        return Err(StoreError::OldSqlite { found });
    }
    let readers = sqlite_readers(options).await?;
    Ok(Db::Sqlite { writer, readers })
}

async fn sqlite_readers(options: SqliteConnectOptions) -> Result<Pool<Sqlite>, StoreError> {
    Ok(sqlite_pool(SQLITE_READERS).connect_with(options.pragma("query_only", "1")).await?)
}

/// Connections to a file never become stale: no lifetime, no idle timeout, no ping before use.
fn sqlite_pool(connections: u32) -> PoolOptions<Sqlite> {
    PoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT.max(BUSY_TIMEOUT))
        .max_lifetime(None)
        .idle_timeout(None)
        .test_before_acquire(false)
        .after_release(|connection, _| Box::pin(is_reusable(connection)))
}

/// Reports whether a connection returned to its pool has no open transaction, by the library's count. `SQLite` rolls a
/// transaction back by itself if the disk is full or fails, or memory runs out; the library keeps its count and refuses
/// to begin another. Such a connection is closed, and the pool opens a new one.
async fn is_reusable<C: Connection>(connection: &mut C) -> Result<bool, sqlx::Error> {
    // Ordered after a rollback that is still queued.
    match tokio::time::timeout(RELEASE_PATIENCE, connection.ping()).await {
        Ok(answer) => answer?,
        Err(_) => return Err(sqlx::Error::PoolTimedOut),
    }
    let is_clean = !connection.is_in_transaction();
    if !is_clean {
        tracing::warn!("a database connection whose transaction ended by itself is replaced");
    }
    Ok(is_clean)
}

async fn postgres_pool(url: &str, connections: u32) -> Result<Pool<Postgres>, StoreError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|error| StoreError::Url(error.to_string()))?
        .application_name("tollgate")
        .statement_cache_capacity(STATEMENTS)
        // synchronous_commit: an acknowledged call is on disk whatever the default of the server or role is.
        // lock_timeout: a forgotten lock becomes a visible error that is retried, not a silent stop of the ledger.
        .options([("synchronous_commit", "on"), ("lock_timeout", "5000"), ("timezone", "UTC")]);
    let pool = PoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_release(|connection, _| Box::pin(is_reusable(connection)));
    Ok(pool.connect_with(options).await?)
}

/// Parses `3.51.3` as numbers; a part that is not a number counts as 0.
fn version(text: &str) -> [u32; 3] {
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
    [(); 3].map(|()| parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(version("3.51.2") < SQLITE_NEEDED);
        assert!(version("3.9.9") < SQLITE_NEEDED);
        assert!(version("3.51.3") >= SQLITE_NEEDED);
        assert!(version("3.100.0") > SQLITE_NEEDED);
        assert!(version("4.0") > SQLITE_NEEDED);
    }

    #[tokio::test]
    async fn a_database_in_memory_is_refused() {
        for url in ["sqlite::memory:", "sqlite://:memory:", "sqlite://", "mysql://localhost/x", "tollgate.db"]
        {
            assert!(matches!(Store::open(url).await, Err(StoreError::Url(_))), "{url}");
        }
    }
}
