//! Calls whose end is in the spool: charged in memory when they went there, and looked at again when the book has them.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use tollgate_rating::Money;
use tollgate_rating::credit::Guarded;

use super::ended::{Charged, OnTrust};
use super::open::{Ending, OpenCall, PricedSettlement, Submission};
use super::state::Calls;
use crate::ledger::spool::Written;
use crate::ledger::{CallKey, LedgerError, Settlement};

impl Calls {
    /// The newest CDR that is certainly older than the one that this call will get; asked before the call is written.
    pub(super) fn newest_before(&self, ending: &Ending) -> i64 {
        // What was tried may have been written then, before others that were acknowledged since.
        if ending.submission == Submission::InDoubt {
            self.read_to_cdr
        } else {
            self.newest_cdr.load(Ordering::Relaxed)
        }
    }

    /// Closes a call whose end the spool has taken: the wallets take the charge now, unless they have it. An end can
    /// be told again after it was paid, and the book cannot be asked. `newest_before`: as above; nothing where the
    /// spool had this end already.
    pub(super) fn close_spooled(
        &self,
        key: &CallKey,
        call: &mut OpenCall,
        priced: &PricedSettlement,
        newest_before: Option<i64>,
    ) {
        let number = self.numbers.hash_one(key);
        let charged = Charged::by(priced.settlement.provisional);
        let before = self.ended().charged(number);
        call.hold_zero_if_ticket_only();
        match newest_before {
            Some(newest_before) if before < charged => {
                self.metrics.calls_settled.fetch_add(1, Ordering::Relaxed);
                let had_provisional = before == Charged::Provisionally;
                self.trusted().insert((number, charged), OnTrust { newest_before, had_provisional });
                // In full, even where a settlement without the ticket was charged: the ledger says how much that was,
                // and until then the wallet is on the poorer side.
                self.close(key, call, &priced.charges);
            }
            _ => {
                self.metrics.settles_duplicate.fetch_add(1, Ordering::Relaxed);
                self.close(key, call, &vec![Money::ZERO; call.payers.len()]);
            }
        }
        self.record_end(key, charged);
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
    /// paid before: memory took it once too often and releases it. Where it replaces a record without the ticket whose
    /// charge memory has, that charge is released.
    fn note_written(&self, Written { settlement, settled }: &Written) {
        let number = self.numbers.hash_one(&settlement.key);
        let charged = Charged::by(settlement.provisional);
        self.record_end(&settlement.key, charged);
        let on_trust = self.trusted().get(&(number, charged)).copied();
        if let Some(OnTrust { newest_before, had_provisional }) = on_trust {
            if settled.duplicate && settled.cdr_id <= newest_before {
                tracing::warn!(
                    call.id = %settlement.key,
                    cdr.id = settled.cdr_id,
                    "the book had the call before; its charge is given back"
                );
                let in_full: Vec<Money> = settlement.payers.iter().map(|payer| payer.charge).collect();
                self.give_back(settlement, &in_full);
            } else if let Some(replaced) = settled.replaced
                && (had_provisional || replaced.cdr_id <= self.read_to_cdr)
            {
                self.give_back(settlement, &replaced.charges);
            }
        }
        self.newest_cdr.fetch_max(settled.cdr_id, Ordering::Relaxed);
        self.trusted().remove(&(number, charged));
    }

    fn give_back(&self, settlement: &Settlement, charges: &[Money]) {
        for (payer, charge) in settlement.payers.iter().zip(charges) {
            let Some(account) = self.directory.account(payer.account_id) else { continue };
            if let Err(error) = account.wallet.adjust(*charge, Guarded::No) {
                tracing::error!(
                    call.id = %settlement.key,
                    account.login = %account.login,
                    %error,
                    "the book is right, but the wallet in memory is not"
                );
            }
            self.directory.wallet_watch().look_at(&account);
        }
    }

    /// The calls that memory has charged and the book has not acknowledged, as numbers.
    fn trusted(&self) -> MutexGuard<'_, HashMap<(u64, Charged), OnTrust>> {
        // Single insertions and removals: whoever panicked left it whole.
        self.trusted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
