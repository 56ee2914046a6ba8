//! Transfers whose commit outcome is in doubt.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tollgate_rating::Money;

use crate::directory::Account;
use crate::ledger::Posting;

/// Transfers whose commit outcome is in doubt; resolved once the database is reachable.
#[derive(Debug, Default)]
pub struct InDoubtTransfers(Mutex<Vec<InDoubtTransfer>>);

/// A transfer whose commit outcome is in doubt, with its changes of wallets.
#[derive(Debug)]
pub struct InDoubtTransfer {
    /// The posting with its entries.
    pub posting: Posting,
    /// The wallets, each with its amount.
    pub lines: Vec<(Arc<Account>, Money)>,
}

impl InDoubtTransfers {
    /// Locks and returns the list, oldest first.
    pub fn all(&self) -> MutexGuard<'_, Vec<InDoubtTransfer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports whether a transfer with the kind and reference of `posting` is in doubt.
    pub fn has(&self, posting: &Posting) -> bool {
        self.all()
            .iter()
            .any(|it| it.posting.kind == posting.kind && it.posting.reference == posting.reference)
    }
}
