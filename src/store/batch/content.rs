//! The content of a batch, and the outcome of each of its rows.

use tollgate_rating::Money;
use tollgate_rating::credit::MAX_PAYERS;

use crate::store::{
    attempts::RefusalCount,
    cdr::{CallKey, RefusedAttempt, Settlement},
    open_calls::OpenCall,
    posting::{Fence, Posted, Posting},
};

/// Name of a batch: the number of the ledger run (`Store::count_run`) and a number of its own.
///
/// A batch that is tried again after its commit's answer was lost finds its rows under its own name, and they are not
/// duplicates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchName {
    /// The start of the ledger.
    pub run: i64,
    /// Its batch.
    pub batch: i64,
}

/// What a batch carries.
#[derive(Debug, Default)]
pub struct Batch<'a> {
    /// The same each time that it is tried.
    pub name: BatchName,
    /// Calls that ended.
    pub settlements: Vec<&'a Settlement>,
    /// Calls that were granted; a key comes once.
    pub opened: &'a [OpenCall],
    /// Under which the openings are written: they hold credit.
    pub opened_under: Fence,
    /// Calls that hold nothing any more and cost nothing.
    pub voided: Vec<&'a CallKey>,
    /// Refused calls that get a CDR.
    pub refused: &'a [RefusedAttempt],
    /// Refused calls that are only counted; a source, reason and minute comes once.
    pub counts: &'a [RefusalCount],
    /// Money that moves without a call.
    pub postings: Vec<&'a Posting>,
}

/// What became of a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Its CDR: the first one's, if the call had been settled before.
    pub cdr_id: i64,
    /// Whether it had been: nothing was added.
    pub duplicate: bool,
    /// Whether that record was written without the call's ticket, so that a settlement with the ticket replaces it.
    pub provisional: bool,
    /// The record without the ticket that it replaces.
    pub replaced: Option<Replaced>,
}

/// A record that another one of the same call replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// Its id.
    pub cdr_id: i64,
    /// What it had charged each payer of the settlement, in their order.
    pub charges: [Money; MAX_PAYERS],
}

impl Settled {
    pub(super) fn first(cdr_id: i64, settlement: &Settlement) -> Self {
        Self { cdr_id, duplicate: false, provisional: settlement.provisional, replaced: None }
    }
}

/// Why one posting of a batch was not written; the rest of the batch was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostingRefusal {
    /// Its lines do not sum to zero.
    #[error("the lines of a posting must sum to zero")]
    Unbalanced,
    /// Its owner's epoch is over.
    #[error("epoch {epoch} no longer owns the accounts")]
    StaleEpoch {
        /// The epoch it carried.
        epoch: i64,
    },
    /// Its reference names another posting.
    #[error("reference {reference:?} names another posting")]
    ReferenceTaken {
        /// The reference.
        reference: String,
    },
}

/// What became of a batch, in the order of what it carried.
#[derive(Debug, Default)]
pub struct Written {
    /// Of each settlement.
    pub settled: Vec<Settled>,
    /// Of each posting.
    pub posted: Vec<Result<Posted, PostingRefusal>>,
    /// Entries added.
    pub entries: usize,
    /// The openings were left out: their epoch is over.
    pub fenced: bool,
}
