//! What can go wrong with the database, sorted by what a caller can do about it.

use std::borrow::Cow;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database URL is not one that the service can use.
    #[error("database.url: {0}")]
    Url(String),
    /// The library holds the bug that loses commits when two connections write a checkpoint at once (fixed in 3.51.3).
    #[error("SQLite {found} can lose commits; 3.51.3 or newer is needed")]
    OldSqlite {
        /// The version that was found.
        found: String,
    },
    /// The database was written by a newer or a changed program.
    #[error("migration {version}: {reason}")]
    Migration {
        /// The migration's number.
        version: i64,
        /// What does not fit.
        reason: String,
    },
    /// Another process owns the accounts by now, or nobody does: nothing was written.
    #[error("epoch {epoch} no longer owns the accounts")]
    StaleEpoch {
        /// The epoch that was presented.
        epoch: i64,
    },
    /// The database holds something that the program never writes.
    #[error("{table}: {reason}")]
    Inconsistent {
        /// Where.
        table: &'static str,
        /// What.
        reason: String,
    },
    /// The database refused or failed.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
}

/// `SQLite`'s primary result codes that pass, or may pass, by themselves or by an operator's hand:
/// BUSY, LOCKED, READONLY, IOERR, FULL, CANTOPEN.
const SQLITE_UNAVAILABLE: [i32; 6] = [5, 6, 8, 10, 13, 14];
/// `PostgreSQL`'s classes of conditions that pass: connection exception, insufficient resources, operator intervention,
/// system error; and single ones: read-only transaction, serialization failure, deadlock, lock not available.
const POSTGRES_UNAVAILABLE: [&str; 8] = ["08", "53", "57", "58", "25006", "40001", "40P01", "55P03"];

impl StoreError {
    /// Whether trying again later can help: the database is away, busy or full. Nothing is wrong with what was asked.
    pub fn is_unavailable(&self) -> bool {
        let Self::Sql(error) = self else { return false };
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => true,
            sqlx::Error::Database(refusal) => refusal.code().is_some_and(|code| passes(&code)),
            _ => false,
        }
    }

    /// The database's own word on a broken uniqueness, if it is that.
    pub fn unique_violation(&self) -> Option<Cow<'_, str>> {
        let Self::Sql(sqlx::Error::Database(refusal)) = self else { return None };
        refusal.is_unique_violation().then(|| Cow::Borrowed(refusal.message()))
    }
}

/// `SQLite` reports extended codes as decimal numbers, `PostgreSQL` five characters of SQLSTATE.
fn passes(code: &str) -> bool {
    if code.len() == 5 {
        return POSTGRES_UNAVAILABLE.iter().any(|class| code.starts_with(class));
    }
    code.parse::<i32>().is_ok_and(|number| SQLITE_UNAVAILABLE.contains(&(number & 0xff)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_or_absent_database_is_unavailable_and_a_broken_constraint_is_not() {
        for code in ["5", "517", "10", "778", "13", "08006", "57P01", "53300", "40001", "55P03"] {
            assert!(passes(code), "{code}");
        }
        for code in ["19", "1555", "2067", "23505", "23514", "42601", "22021", "1"] {
            assert!(!passes(code), "{code}");
        }
        assert!(StoreError::from(sqlx::Error::PoolTimedOut).is_unavailable());
        assert!(!StoreError::from(sqlx::Error::RowNotFound).is_unavailable());
    }
}
