//! One text per query for both databases: a session is a connection to either, and `on!` expands a query for each.

use sqlx::{Executor as _, Postgres, Sqlite, Transaction, pool::PoolConnection};
use tokio::sync::OwnedSemaphorePermit;

use super::StoreError;

/// A connection to one of the two databases.
#[derive(Debug)]
pub enum Side<'a> {
    /// The embedded database.
    Sqlite(&'a mut sqlx::SqliteConnection),
    /// The shared book.
    Postgres(&'a mut sqlx::PgConnection),
}

/// What a query can be run on: a writing transaction or a reader.
pub trait Session: Send {
    /// The connection, for the `on!` macro.
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

/// A writing transaction. Dropped without [`Tx::commit`], it leaves nothing behind.
#[derive(Debug)]
#[must_use = "a transaction that is not committed leaves nothing behind"]
pub enum Tx {
    /// Begun with BEGIN IMMEDIATE: the only writer until it ends. A request's turn to write ends with it.
    Sqlite(Transaction<'static, Sqlite>, Option<OwnedSemaphorePermit>),
    /// READ COMMITTED; what must not run beside others takes the row lock of `ledger_head` first.
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    /// Makes everything that was written durable: on return it survives the loss of power.
    ///
    /// A transaction that an error has ended before is an error here. `SQLite` says so itself; `PostgreSQL` answers the
    /// COMMIT of an aborted transaction with ROLLBACK and no error, so a statement before it asks.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx, _turn) => tx.commit().await.map_err(lost_transaction),
            Self::Postgres(mut tx) => {
                tx.execute("SELECT 1").await?;
                Ok(tx.commit().await?)
            }
        }
    }

    /// Undoes everything that was written. Dropping does the same, later.
    pub async fn rollback(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx, _turn) => tx.rollback().await.map_err(lost_transaction),
            Self::Postgres(tx) => Ok(tx.rollback().await?),
        }
    }
}

/// `SQLite` has no code of its own for the end of a transaction that has ended by itself: where BEGIN, COMMIT or ROLLBACK
/// fails with its general one, that is the reason.
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

/// A connection that reads what is committed.
#[derive(Debug)]
pub enum Reader {
    /// From the pool of readers; it refuses to write.
    Sqlite(PoolConnection<Sqlite>),
    /// From the one pool.
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
