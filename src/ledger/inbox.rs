//! Commands waiting for the writer, and rows that callers queue without waiting.

use std::sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicI64};

use tokio::sync::{Notify, oneshot};

use super::{attempts::AttemptBook, error::LedgerError};
use crate::store::{
    batch::Settled,
    cdr::{CallKey, Settlement},
    open_calls::OpenCall,
    posting::{Posted, Posting},
};

/// A queued command with the channel for its answer.
pub(super) enum Command {
    Settle(Box<Settlement>, oneshot::Sender<Result<Settled, LedgerError>>),
    Void(CallKey, oneshot::Sender<Result<(), LedgerError>>),
    Post(Box<Posting>, oneshot::Sender<Result<Posted, LedgerError>>),
    Flush(oneshot::Sender<Result<(), LedgerError>>),
}

/// Rows that callers queue without waiting; the writer collects them with its next batch.
pub(super) struct Inbox {
    pub(super) opened: Mutex<Vec<OpenCall>>,
    /// The epoch under which openings are written; 0 for none.
    pub(super) epoch: AtomicI64,
    pub(super) attempts: Mutex<AttemptBook>,
    pub(super) filled: Notify,
    /// Notified when openings were refused because their epoch is over.
    pub(super) fenced: Notify,
}

/// Locks a mutex whose data is consistent between any two statements of its holders, so that a panic of a holder does
/// not invalidate it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
