//! Runs a single text per query on both databases: a session is a connection to either, and `on!` expands a query for
//! each.

use sqlx::{Executor as _, Postgres, Sqlite, Transaction, pool::PoolConnection};
use tokio::sync::OwnedSemaphorePermit;

use super::StoreError;

/// A connection to one of the two databases.
#[derive(Debug)]
pub enum Side<'a> {
    /// The embedded database.
    Sqlite(&'a mut sqlx::SqliteConnection),
    /// The shared database.
    Postgres(&'a mut sqlx::PgConnection),
}

/// A target for queries: a writing transaction or a reader.
pub trait Session: Send {
    /// Returns the connection, for the `on!` macro.
    fn side(&mut self) -> Side<'_>;
}

/// Expands an expression once for each database: `on!(session, c => sqlx::query(TEXT).bind(id).execute(c).await)?`.
macro_rules! on {
    ($session:expr, $connection:ident => $body:expr) => {
        match $crate::store::Session::side($session) {
            $crate::store::Side::Sqlite($connection) => $body,
            $crate::store::Side::Postgres($connection) => $body,
        }
    };
}
pub(crate) use on;

/// A row with named columns that decodes from both databases: the columns are the field names.
macro_rules! row {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($(#[$field_meta:meta])* $field_vis:vis $field:ident: $type:ty,)+ }) => {
        $(#[$meta])* $vis struct $name { $($(#[$field_meta])* $field_vis $field: $type,)+ }

        impl<'r, R> sqlx::FromRow<'r, R> for $name
        where
            R: sqlx::Row,
            &'static str: sqlx::ColumnIndex<R>,
            $($type: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,)+
        {
            fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
                Ok(Self { $($field: row.try_get(stringify!($field))?,)+ })
            }
        }
    };
}
pub(crate) use row;

/// A writing transaction. Dropped without [`Tx::commit`], it has no effect.
#[derive(Debug)]
#[must_use = "a transaction that is not committed leaves nothing behind"]
pub enum Tx {
    /// Begun with BEGIN IMMEDIATE: the only writer until it ends. A request's permit to write ends with it.
    Sqlite(Transaction<'static, Sqlite>, Option<OwnedSemaphorePermit>),
    /// READ COMMITTED; operations that must be serialized first acquire the row lock of `ledger_head`.
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    /// Makes all writes durable: on return they survive a power failure.
    ///
    /// Fails if an error has already ended the transaction. `SQLite` reports that itself; `PostgreSQL` answers the
    /// COMMIT of an aborted transaction with ROLLBACK and no error, so a statement before it checks.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx, _turn) => tx.commit().await.map_err(lost_transaction),
            Self::Postgres(mut tx) => {
                tx.execute("SELECT 1").await?;
                Ok(tx.commit().await?)
            }
        }
    }

    /// Undoes all writes. Dropping does the same, later.
    pub async fn rollback(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx, _turn) => tx.rollback().await.map_err(lost_transaction),
            Self::Postgres(tx) => Ok(tx.rollback().await?),
        }
    }
}

/// `SQLite` has no specific code for a transaction that has ended by itself: if BEGIN, COMMIT or ROLLBACK fails with
/// its general code, that is the reason.
pub(super) fn lost_transaction(error: sqlx::Error) -> StoreError {
    let is_general =
        matches!(&error, sqlx::Error::Database(refusal) if refusal.code().is_some_and(|code| code == "1"));
    if is_general { StoreError::Transaction(error) } else { error.into() }
}

impl Session for Tx {
    fn side(&mut self) -> Side<'_> {
        match self {
            Self::Sqlite(tx, _) => Side::Sqlite(&mut *tx),
            Self::Postgres(tx) => Side::Postgres(&mut *tx),
        }
    }
}

/// A connection for reading committed data.
#[derive(Debug)]
pub enum Reader {
    /// From the pool of readers; it rejects writes.
    Sqlite(PoolConnection<Sqlite>),
    /// From the shared pool.
    Postgres(PoolConnection<Postgres>),
}

impl Session for Reader {
    fn side(&mut self) -> Side<'_> {
        match self {
            Self::Sqlite(connection) => Side::Sqlite(&mut *connection),
            Self::Postgres(connection) => Side::Postgres(&mut *connection),
        }
    }
}
