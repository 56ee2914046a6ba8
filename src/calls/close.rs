//! Closing of calls: holds become charges in the wallets in memory.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tollgate_rating::Money;
use tollgate_rating::credit::Guarded;

use super::ended::Charged;
use super::error::SettleError;
use super::funding::days;
use super::open::OpenCall;
use super::state::Calls;
use crate::ledger::{CallKey, RecordedCall, Replaced};

impl Calls {
    /// Returns the charges of a record that the wallets still lack: its charges, less those of the record that it
    /// replaces where the wallets already have them.
    pub(super) fn charges_due(
        &self,
        key: &CallKey,
        charges: &[Money],
        replaced: Option<&Replaced>,
    ) -> Vec<Money> {
        let mut due = charges.to_vec();
        let Some(replaced) = replaced else { return due };
        self.metrics.calls_corrected.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(
            call.id = %key,
            cdr.replaced = replaced.cdr_id,
            "settlement with a ticket replaced one without"
        );
        if self.has_charged(key, replaced.cdr_id, true) {
            for (due, before) in due.iter_mut().zip(&replaced.charges) {
                *due = due.checked_sub(*before).unwrap_or(*due);
            }
        }
        due
    }

    /// Closes a call whose settlement is in the ledger already.
    ///
    /// The wallets are charged now, unless they are charged already: an end can be reported again. A record that cannot
    /// be this call's own (`may_be_ours` is false: this process granted it and never submitted its settlement) belongs
    /// to another call with the same unique id and charges nothing.
    pub(super) async fn close_as_recorded(
        &self,
        key: &CallKey,
        call: &mut OpenCall,
        record: RecordedCall,
        may_be_ours: bool,
    ) -> Result<(), SettleError> {
        let charges = if self.has_charged(key, record.cdr_id, record.provisional) {
            vec![Money::ZERO; call.payers.len()]
        } else if may_be_ours {
            let mut charges = self.recorded_charges(call, record.cdr_id).await?;
            if let Some(replaced) = record.replaced.filter(|id| self.has_charged(key, *id, true)) {
                let before = self.recorded_charges(call, replaced).await?;
                for (charge, before) in charges.iter_mut().zip(before) {
                    *charge = charge.checked_sub(before).unwrap_or(*charge);
                }
            }
            charges
        } else {
            tracing::error!(call.id = %key, cdr.id = record.cdr_id, "ledger has another call of this unique id");
            vec![Money::ZERO; call.payers.len()]
        };
        self.close(key, call, &charges);
        self.record_end(key, Charged::by(record.provisional));
        Ok(())
    }

    /// Reads the charge of each payer from the ledger.
    async fn recorded_charges(&self, call: &OpenCall, cdr_id: i64) -> Result<Vec<Money>, SettleError> {
        let written = self.store.cdr_charges(cdr_id).await?;
        let charge_of = |id: i64| written.iter().find(|(account, _)| *account == id);
        let charges =
            call.payers.iter().map(|payer| charge_of(payer.account.id).map_or(Money::ZERO, |c| c.1));
        Ok(charges.collect())
    }

    /// Replaces the holds by the charges. A negative charge, of a correction, is refunded to its payer.
    pub(super) fn close(&self, key: &CallKey, call: &mut OpenCall, charges: &[Money]) {
        self.record_end(key, Charged::Nothing);
        self.record_limit(key, call.charged_at_most_seconds());
        let Some(holds) = call.holds.take() else { return };
        let chain: Vec<Arc<_>> = call.payers.iter().map(|payer| Arc::clone(&payer.account)).collect();
        // Spending counts in the day of the settlement.
        let days = days(&self.catalog.snapshot(), &chain, self.clock.now());
        let taken: Vec<Money> = charges.iter().map(|charge| (*charge).max(Money::ZERO)).collect();
        for (payer, charge) in call.payers.iter().zip(charges).filter(|(_, charge)| charge.is_negative()) {
            let released =
                charge.checked_neg().map(|amount| payer.account.wallet.adjust(amount, Guarded::No));
            if !matches!(released, Some(Ok(_))) {
                tracing::error!(call.id = %key, "wallets in memory differ from the ledger");
            }
        }
        match call.with_chain(|wallets| wallets.settle(holds, &taken, &days)) {
            Ok(Ok(settled)) => {
                for (payer, overdrawn) in call.payers.iter().zip(settled.overdrawn) {
                    if overdrawn > Money::ZERO {
                        self.metrics.overdraws.fetch_add(1, Ordering::Relaxed);
                        tracing::warn!(
                            call.id = %key,
                            account.login = %payer.account.login,
                            account.overdrawn_nanos = overdrawn.nanos(),
                            "a settlement took more than was available"
                        );
                    }
                }
            }
            Ok(Err(error)) => {
                tracing::error!(call.id = %key, %error, "wallets in memory differ from the ledger");
            }
            Err(error) => tracing::error!(call.id = %key, %error, "a call without payers was settled"),
        }
        self.check_top_up(call);
    }
}
