//! Calls whose end is in the spool: charged in memory when they went there, and looked at again when the book has them.

use std::collections::HashSet;
use std::hash::BuildHasher as _;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use tollgate_rating::Money;
use tollgate_rating::credit::Guarded;

use super::Calls;
use super::open::OpenCall;
use super::settle::hold_nothing;
use crate::ledger::spool::Written;
use crate::ledger::{CallKey, LedgerError, Settled, Settlement};
use crate::store::to_micros;

impl Calls {
    /// Closes a call whose end the spool has taken: the wallets take the charge now, unless they have it. An end can
    /// be told again after it was paid, and the book cannot be asked.
    pub(super) fn close_spooled(&self, key: &CallKey, call: &mut OpenCall, charges: &[Money], again: bool) {
        let number = self.numbers.hash_one(key);
        let has_it = again || self.ended().is_charged(number);
        hold_nothing(call);
        if has_it {
            self.metrics.settles_duplicate.fetch_add(1, Ordering::Relaxed);
            self.close(key, call, &vec![Money::ZERO; call.payers.len()]);
        } else {
            self.metrics.calls_settled.fetch_add(1, Ordering::Relaxed);
            self.trusted().insert(number);
            self.close(key, call, charges);
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
                self.note_written(written).await;
            }
        }
    }

    /// Compares what memory took on trust with what the book says.
    ///
    /// The book knows the call already where this process had told it before and lost the answer: then both are right.
    /// Or it was paid before this process began, and the balances began with that charge; or a unique id came twice and
    /// the book keeps the first call. Then memory took it once too often and gives it back.
    async fn note_written(&self, Written { settlement, settled }: &Written) {
        let key = &settlement.key;
        let number = self.numbers.hash_one(key);
        self.note_end(key, true);
        if settled.duplicate && self.trusted().contains(&number) {
            self.compare(settlement, *settled).await;
        }
        self.trusted().remove(&number);
    }

    async fn compare(&self, settlement: &Settlement, settled: Settled) {
        let key = &settlement.key;
        let other_call = match self.store.call_record(key).await {
            Ok(record) => record.is_some_and(|(cdr, _)| cdr.setup_at != to_micros(settlement.cdr.setup_at)),
            Err(error) => {
                // The wallets stay on the poorer side until the next start reads the book.
                tracing::warn!(call.id = %key, %error, "the book cannot be asked what it has of a call");
                return;
            }
        };
        if other_call {
            tracing::error!(call.id = %key, cdr.id = settled.cdr_id, "the book has a call of this unique id already");
        }
        if other_call || settled.cdr_id <= self.read_to_cdr {
            self.give_back(settlement);
        }
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
        }
    }

    /// The calls that memory has charged and the book has not acknowledged, as numbers.
    fn trusted(&self) -> MutexGuard<'_, HashSet<u64>> {
        // Single insertions and removals: whoever panicked left it whole.
        self.trusted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
