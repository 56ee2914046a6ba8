//! Calls whose end is in the spool: charged in memory when they went there, and looked at again when the book has them.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use tollgate_rating::Money;
use tollgate_rating::credit::Guarded;

use super::Calls;
use super::open::OpenCall;
use super::settle::hold_nothing;
use crate::ledger::spool::Written;
use crate::ledger::{CallKey, LedgerError, Settlement};

impl Calls {
    /// The newest CDR that is certainly older than the one that this call will get; asked before the call is written.
    pub(super) fn newest_before(&self, call: &OpenCall) -> i64 {
        // What was tried may have been written then, before others that were acknowledged since.
        if call.tried { self.read_to_cdr } else { self.newest_cdr.load(Ordering::Relaxed) }
    }

    /// Closes a call whose end the spool has taken: the wallets take the charge now, unless they have it. An end can
    /// be told again after it was paid, and the book cannot be asked. `newest_before`: as above; nothing where the
    /// spool had this end already.
    pub(super) fn close_spooled(
        &self,
        key: &CallKey,
        call: &mut OpenCall,
        charges: &[Money],
        newest_before: Option<i64>,
    ) {
        let number = self.numbers.hash_one(key);
        hold_nothing(call);
        match newest_before {
            Some(newest) if !self.ended().is_charged(number) => {
                self.metrics.calls_settled.fetch_add(1, Ordering::Relaxed);
                self.trusted().insert(number, newest);
                self.close(key, call, charges);
            }
            _ => {
                self.metrics.settles_duplicate.fetch_add(1, Ordering::Relaxed);
                self.close(key, call, &vec![Money::ZERO; call.payers.len()]);
            }
        }
        self.note_end(key, true);
    }

    /// Calls that memory has charged and of which the book has not said what it has.
    pub fn spooled(&self) -> usize {
        self.trusted().len()
    }

    /// Writes what the spool keeps to the book, until nothing is left of it or the book does not answer.
    pub async fn drain_spool(&self) -> Result<usize, LedgerError> {
        let mut count = 0;
        loop {
            let written = self.spool.write_next().await?;
            if written.is_empty() {
                return Ok(count);
            }
            count += written.len();
            for written in &written {
                self.note_written(written);
            }
        }
    }

    /// Compares what memory took on trust with what the book says.
    ///
    /// The book may know the call already. If its record is newer than all that the book had acknowledged before the
    /// call was told, it is this process that wrote it and did not hear so: both are right. If it is older, the call was
    /// paid before, or a unique id came twice and the book keeps the first call: memory took it once too often and
    /// gives it back.
    fn note_written(&self, Written { settlement, settled }: &Written) {
        let number = self.numbers.hash_one(&settlement.key);
        self.note_end(&settlement.key, true);
        let newest_before = self.trusted().get(&number).copied();
        if settled.duplicate && newest_before.is_some_and(|newest| settled.cdr_id <= newest) {
            tracing::warn!(
                call.id = %settlement.key,
                cdr.id = settled.cdr_id,
                "the book had the call before; its charge is given back"
            );
            self.give_back(settlement);
        }
        self.newest_cdr.fetch_max(settled.cdr_id, Ordering::Relaxed);
        self.trusted().remove(&number);
    }

    fn give_back(&self, settlement: &Settlement) {
        for payer in &settlement.payers {
            let Some(account) = self.directory.account(payer.account_id) else { continue };
            if let Err(error) = account.wallet.adjust(payer.charge, Guarded::No) {
                tracing::error!(
                    call.id = %settlement.key,
                    account.login = %account.login,
                    %error,
                    "the book is right, but the wallet in memory is not"
                );
            }
            self.directory.purses().look_at(&account);
        }
    }

    /// The calls that memory has charged and the book has not acknowledged, as numbers.
    fn trusted(&self) -> MutexGuard<'_, HashMap<u64, i64>> {
        // Single insertions and removals: whoever panicked left it whole.
        self.trusted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
