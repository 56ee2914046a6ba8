//! The errors of the ledger.

use std::sync::Arc;

use super::spool::SpoolError;
use crate::store::{StoreError, batch::PostingRefusal};

/// The reason why the ledger did not write a row.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The database is away. It may or may not have been written; settling again settles once.
    #[error("the database is unavailable: {0}")]
    Unavailable(Arc<StoreError>),
    /// The database refused this row; others were written.
    #[error("the database refused the row: {0}")]
    Refused(Arc<StoreError>),
    /// A posting that may not be written.
    #[error(transparent)]
    Posting(#[from] PostingRefusal),
    /// The database is away and the spool does not keep it either. It may be written all the same.
    #[error("the database is unavailable, and so is the spool: {0}")]
    Spool(SpoolError),
    /// The ledger has stopped.
    #[error("the ledger has stopped")]
    Stopped,
}
