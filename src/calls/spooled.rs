//! Calls whose end is in the spool: charged in memory when spooled, and compared with the ledger when it has them.

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
    /// Returns the newest CDR that is certainly older than this call's future CDR; read before the call is written.
    pub(super) fn newest_before(&self, ending: &Ending) -> i64 {
        // An earlier submission may have been written then, before others that were acknowledged since.
        if ending.submission == Submission::InDoubt {
            self.read_to_cdr
        } else {
            self.newest_cdr.load(Ordering::Relaxed)
        }
    }

    /// Closes a call whose end the spool has accepted: the wallets are charged now, unless they are charged already. An
    /// end can be reported again after it was charged, while the ledger cannot be asked. `newest_before` is the result
    /// of [`Calls::newest_before`]; `None` if the spool had this end already.
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
                // Charge in full, even if a settlement without the ticket was charged: the ledger determines that
                // amount later, and until then the wallet shows too little rather than too much.
                self.close(key, call, &priced.charges);
            }
            _ => {
                self.metrics.settles_duplicate.fetch_add(1, Ordering::Relaxed);
                self.close(key, call, &vec![Money::ZERO; call.payers.len()]);
            }
        }
        self.record_end(key, charged);
    }

    /// Returns the number of calls that are charged in memory and not yet compared with the ledger.
    pub fn spooled(&self) -> usize {
        self.trusted().len()
    }

    /// Writes the spool's contents to the ledger, until it is empty or the ledger does not answer.
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

    /// Compares a charge applied in memory with the ledger's answer.
    ///
    /// The ledger may have the call already. If its record is newer than all that the ledger had acknowledged before
    /// the call was reported, this process wrote it and did not receive the answer: memory and ledger agree. If it is
    /// older, the call was charged before: memory has charged it once too often and refunds it. If the record replaces
    /// one without the ticket whose charge is in memory, that charge is refunded.
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

    /// Returns the calls, as numbers, that are charged in memory and not acknowledged by the ledger.
    fn trusted(&self) -> MutexGuard<'_, HashMap<(u64, Charged), OnTrust>> {
        // Single insertions and removals: a panicking holder left it consistent.
        self.trusted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
