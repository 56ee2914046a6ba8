//! Errors of the database, classified by the caller's possible reactions.

use std::borrow::Cow;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database URL is unusable.
    #[error("database.url: {0}")]
    Url(String),
    /// The library has the bug that loses commits when two connections write a checkpoint at once (fixed in 3.51.3).
    #[error("SQLite {found} can lose commits; 3.51.3 or newer is needed")]
    OldSqlite {
        /// The version found.
        found: String,
    },
    /// The database was written by a newer or modified program.
    #[error("migration {version}: {reason}")]
    Migration {
        /// Number of the migration.
        version: i64,
        /// Description of the mismatch.
        reason: String,
    },
    /// Another process owns the accounts by now, or no process does: nothing was written.
    #[error("epoch {epoch} no longer owns the accounts")]
    StaleEpoch {
        /// The epoch presented.
        epoch: i64,
    },
    /// The database contains a value that the program never writes.
    #[error("{table}: {reason}")]
    Inconsistent {
        /// Table of the value.
        table: &'static str,
        /// Description of the value.
        reason: String,
    },
    /// The connection's transaction is not in the expected state: it has ended by itself, or another one is open. Its
    /// writes are not in the database.
    #[error("the transaction was lost: {0}")]
    Transaction(#[source] sqlx::Error),
    /// The database refused or failed.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
}

/// Class of a failed database operation, by the caller's possible reaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The database is unavailable, busy, full or read-only. This passes without this process: by itself or by an
    /// operator.
    Away,
    /// The state of the connection, the library or the database prevents the operation, independently of the row. It
    /// may require a new connection, a new process or an operator.
    Broken,
    /// The database refused the request; retrying does not help.
    Refused,
}

/// `SQLite`'s primary result codes of [`Failure::Away`]: ABORT (rolled back under a statement), BUSY, LOCKED, NOMEM,
/// READONLY, INTERRUPT, IOERR, FULL, CANTOPEN, PROTOCOL (the WAL's locks are contended).
const SQLITE_AWAY: [i32; 10] = [4, 5, 6, 7, 8, 9, 10, 13, 14, 15];
/// `SQLite`'s primary result codes of [`Failure::Refused`]: ERROR, TOOBIG, CONSTRAINT, MISMATCH, RANGE.
const SQLITE_REFUSED: [i32; 5] = [1, 18, 19, 20, 25];
/// `PostgreSQL`'s classes of conditions of [`Failure::Away`]: connection exception, transaction rollback, insufficient
/// resources, operator intervention, system error; and single ones: read-only transaction, lock not available.
const POSTGRES_AWAY: [&str; 7] = ["08", "40", "53", "57", "58", "25006", "55P03"];
/// `PostgreSQL`'s conditions of [`Failure::Broken`] within the classes that are otherwise refusals: a privilege, a
/// table or a cached plan that is missing for every row alike.
const POSTGRES_BROKEN: [&str; 3] = ["42501", "42P01", "0A000"];
/// `PostgreSQL`'s classes of [`Failure::Refused`]: feature not supported, cardinality violation, data exception,
/// integrity constraint violation, WITH CHECK OPTION violation, syntax error, program limit exceeded, PL/pgSQL error.
const POSTGRES_REFUSED: [&str; 8] = ["0A", "21", "22", "23", "44", "42", "54", "P0"];

impl StoreError {
    /// Returns the class of the failure. A failure not known to be a refusal does not count as one: a settlement
    /// mistaken for refused is moved out of the queue, whereas a waiting one is charged.
    pub fn failure(&self) -> Failure {
        match self {
            Self::Transaction(_) => Failure::Broken,
            Self::Sql(error) => match error {
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::BeginFailed => Failure::Away,
                sqlx::Error::Protocol(_)
                | sqlx::Error::WorkerCrashed
                | sqlx::Error::InvalidSavePointStatement => Failure::Broken,
                sqlx::Error::Database(refusal) => {
                    refusal.code().map_or(Failure::Broken, |code| failure_of_code(&code))
                }
                _ => Failure::Refused,
            },
            _ => Failure::Refused,
        }
    }

    /// Reports whether retrying later can help: the request itself is not at fault.
    pub fn is_unavailable(&self) -> bool {
        self.failure() != Failure::Refused
    }

    /// Returns the database's message about a uniqueness violation, if the error is one.
    pub fn unique_violation(&self) -> Option<Cow<'_, str>> {
        let Self::Sql(sqlx::Error::Database(refusal)) = self else { return None };
        refusal.is_unique_violation().then(|| Cow::Borrowed(refusal.message()))
    }
}

/// `SQLite` reports extended codes as decimal numbers, `PostgreSQL` five characters of SQLSTATE.
fn failure_of_code(code: &str) -> Failure {
    if code.len() == 5 {
        let is_of = |classes: &[&str]| classes.iter().any(|class| code.starts_with(class));
        return match () {
            () if is_of(&POSTGRES_AWAY) => Failure::Away,
            () if is_of(&POSTGRES_BROKEN) => Failure::Broken,
            () if is_of(&POSTGRES_REFUSED) => Failure::Refused,
            () => Failure::Broken,
        };
    }
    match code.parse::<i32>().map(|number| number & 0xff) {
        Ok(number) if SQLITE_AWAY.contains(&number) => Failure::Away,
        Ok(number) if SQLITE_REFUSED.contains(&number) => Failure::Refused,
        _ => Failure::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_failure_that_is_known_to_be_a_refusal_counts_as_one() {
        for code in ["4", "516", "5", "517", "6", "7", "8", "9", "10", "778", "3082", "13", "14", "15"] {
            assert_eq!(failure_of_code(code), Failure::Away, "{code}");
        }
        for code in ["08006", "40001", "40P01", "53100", "53300", "57P01", "58030", "25006", "55P03"] {
            assert_eq!(failure_of_code(code), Failure::Away, "{code}");
        }
        for code in
            ["2", "11", "17", "21", "23", "26", "", "25P02", "26000", "42501", "42P01", "0A000", "XX001"]
        {
            assert_eq!(failure_of_code(code), Failure::Broken, "{code}");
        }
        for code in ["1", "18", "19", "1555", "2067", "20", "25", "22021", "23505", "23514", "42601", "54000"]
        {
            assert_eq!(failure_of_code(code), Failure::Refused, "{code}");
        }
    }

    #[test]
    fn errors_of_the_library_that_are_no_rows_fault_are_unavailability() {
        for error in [
            sqlx::Error::PoolTimedOut,
            sqlx::Error::WorkerCrashed,
            sqlx::Error::BeginFailed,
            sqlx::Error::InvalidSavePointStatement,
            sqlx::Error::Protocol("torn".to_owned()),
        ] {
            assert!(StoreError::from(error).is_unavailable());
        }
        assert!(StoreError::Transaction(sqlx::Error::RowNotFound).is_unavailable());
        assert!(!StoreError::from(sqlx::Error::RowNotFound).is_unavailable());
    }
}
