//! The commands that wait for the writer, and the rows that callers hand over without waiting.

use std::sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicI64};

use tokio::sync::{Notify, oneshot};

use super::{attempts::AttemptBook, error::LedgerError};
use crate::store::{
    batch::Settled,
    cdr::{CallKey, Settlement},
    open_calls::OpenCall,
    posting::{Posted, Posting},
};

/// A queued command, with the channel that its answer goes to.
pub(super) enum Command {
    Settle(Box<Settlement>, oneshot::Sender<Result<Settled, LedgerError>>),
    Void(CallKey, oneshot::Sender<Result<(), LedgerError>>),
    Post(Box<Posting>, oneshot::Sender<Result<Posted, LedgerError>>),
    Flush(oneshot::Sender<Result<(), LedgerError>>),
}

/// Rows that callers hand over without waiting; the writer collects them with its next batch.
pub(super) struct Inbox {
    pub(super) opened: Mutex<Vec<OpenCall>>,
    /// The epoch under which openings are written; 0 for none.
    pub(super) epoch: AtomicI64,
    pub(super) attempts: Mutex<AttemptBook>,
    pub(super) filled: Notify,
    /// Openings were refused because their epoch is over.
    pub(super) fenced: Notify,
}

/// Locks a mutex whose holders leave the data consistent between two statements, so that a panic of one of them does not
/// invalidate it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
