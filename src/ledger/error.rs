//! The errors of the ledger.

use std::sync::Arc;

use super::spool::SpoolError;
use crate::store::{StoreError, batch::PostingRefusal};

/// Reason why the ledger did not write a row.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The database is unavailable and the row may or may not be written. Settling again is safe: a call settles once.
    #[error("the database is unavailable: {0}")]
    Unavailable(Arc<StoreError>),
    /// The database refused this row; other rows were written.
    #[error("the database refused the row: {0}")]
    Refused(Arc<StoreError>),
    /// The posting is invalid.
    #[error(transparent)]
    Posting(#[from] PostingRefusal),
    /// The database is unavailable and the spool cannot keep the row either. The row may nevertheless have been
    /// written.
    #[error("the database is unavailable, and so is the spool: {0}")]
    Spool(SpoolError),
    /// The ledger has stopped.
    #[error("the ledger has stopped")]
    Stopped,
}
