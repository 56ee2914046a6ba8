//! The content of a batch, and the result of each of its rows.

use tollgate_rating::Money;
use tollgate_rating::credit::MAX_PAYERS;

use crate::store::{
    attempts::RefusalCount,
    cdr::{CallKey, RefusedAttempt, Settlement},
    open_calls::OpenCall,
    posting::{Fence, Posted, Posting},
};

/// Name of a batch: the number of the ledger run (`Store::count_run`) and a number within it.
///
/// A retried batch whose first commit is in doubt finds its rows under its own name, and they are not duplicates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchName {
    /// Run of the ledger.
    pub run: i64,
    /// Number of the batch within the run.
    pub batch: i64,
}

/// Content of a batch.
#[derive(Debug, Default)]
pub struct Batch<'a> {
    /// Its name; unchanged when the batch is retried.
    pub name: BatchName,
    /// Calls that ended.
    pub settlements: Vec<&'a Settlement>,
    /// Calls that were granted; each key at most once.
    pub opened: &'a [OpenCall],
    /// Fence under which the openings are written: they hold credit.
    pub opened_under: Fence,
    /// Calls that no longer hold credit and cost nothing.
    pub voided: Vec<&'a CallKey>,
    /// Refused calls with a CDR.
    pub refused: &'a [RefusedAttempt],
    /// Refused calls that are only counted; each source, reason and minute at most once.
    pub counts: &'a [RefusalCount],
    /// Transfers of money without a call.
    pub postings: Vec<&'a Posting>,
}

/// Result of a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Id of its CDR: the first one's, if the call had already been settled.
    pub cdr_id: i64,
    /// True if the call had already been settled: nothing was added.
    pub duplicate: bool,
    /// True if that record was written without the call's ticket, so that a settlement with the ticket replaces it.
    pub provisional: bool,
    /// The record without the ticket that it replaces.
    pub replaced: Option<Replaced>,
}

/// A record replaced by another one of the same call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// Id of its CDR.
    pub cdr_id: i64,
    /// Its charge to each payer of the settlement, in their order.
    pub charges: [Money; MAX_PAYERS],
}

impl Settled {
    pub(super) fn first(cdr_id: i64, settlement: &Settlement) -> Self {
        Self { cdr_id, duplicate: false, provisional: settlement.provisional, replaced: None }
    }
}

/// Reason why one posting of a batch was not written; the rest of the batch was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostingRefusal {
    /// The lines do not sum to zero.
    #[error("the lines of a posting must sum to zero")]
    Unbalanced,
    /// The epoch of the posting's owner is over.
    #[error("epoch {epoch} no longer owns the accounts")]
    StaleEpoch {
        /// The epoch of the posting.
        epoch: i64,
    },
    /// The reference already names a different posting.
    #[error("reference {reference:?} names another posting")]
    ReferenceTaken {
        /// The reference.
        reference: String,
    },
}

/// Result of a batch, in the order of its content.
#[derive(Debug, Default)]
pub struct Written {
    /// Results of the settlements.
    pub settled: Vec<Settled>,
    /// Results of the postings.
    pub posted: Vec<Result<Posted, PostingRefusal>>,
    /// Number of entries added.
    pub entries: usize,
    /// True if the openings were left out because their epoch is over.
    pub fenced: bool,
}
