//! The wallets of subaccounts that somebody has to look after: those with an automatic top-up, and those whose account
//! was deleted, from which what comes back late goes to the client.
//!
//! Whatever changes a wallet says so by [`WalletWatch::look_at`], in memory and without waiting; [`super::topups`] carries out
//! what is due.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dashmap::{DashMap, DashSet};
use tokio::sync::Notify;
use tollgate_rating::Money;

use super::account::Account;
use crate::store::accounts::Kind;
use crate::store::subaccounts::SubaccountRecord;

/// What an account has of its own, the credit limit left out: its balance without what is held.
pub fn own_money(account: &Account) -> Money {
    let wallet = account.wallet.snapshot();
    wallet.balance.checked_sub(wallet.held).unwrap_or(Money::from_nanos(i64::MIN))
}

/// An automatic top-up in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopUp {
    /// Below so much it is due.
    pub threshold: Money,
    /// So much is moved.
    pub amount: Money,
    /// Whether it may move money: not again before the balance was at the threshold.
    pub armed: bool,
    /// The same, as the store has it.
    pub stored_armed: bool,
    /// The reference of a movement of which it is not known whether it is in the book: tried again, it moves once.
    pub unsure: Option<String>,
}

/// The wallets that are looked after.
#[derive(Debug, Default)]
pub struct WalletWatch {
    top_ups: DashMap<i64, TopUp>,
    deleted: DashSet<i64>,
    /// Accounts to be attended to, each once: never more than there are subaccounts.
    due: Mutex<BTreeSet<i64>>,
    wake: Notify,
}

impl WalletWatch {
    /// Takes in what the store says of a subaccount. Whether a known top-up is armed is this memory's own word: a reading
    /// may be older than a movement.
    pub fn put(&self, record: &SubaccountRecord) {
        let id = record.account_id;
        if record.deleted {
            self.top_ups.remove(&id);
            self.deleted.insert(id);
            return;
        }
        match record.top_up.filter(|setting| setting.amount > Money::ZERO) {
            None => {
                self.top_ups.remove(&id);
            }
            Some(setting) => {
                let mut top_up = self.top_ups.entry(id).or_insert_with(|| TopUp {
                    threshold: setting.threshold,
                    amount: setting.amount,
                    armed: record.armed,
                    stored_armed: record.armed,
                    unsure: None,
                });
                top_up.threshold = setting.threshold;
                top_up.amount = setting.amount;
            }
        }
    }

    /// A wallet has changed. Costs accounts that are no subaccounts one comparison.
    pub fn look_at(&self, account: &Account) {
        if account.kind == Kind::Subaccount {
            self.weigh(account);
        }
    }

    fn weigh(&self, account: &Account) {
        let is_due = if let Some(mut top_up) = self.top_ups.get_mut(&account.id) {
            let is_under = own_money(account) < top_up.threshold;
            let rearms = !is_under && !top_up.armed;
            top_up.armed |= rearms;
            rearms || (is_under && top_up.armed)
        } else {
            self.deleted.contains(&account.id) && own_money(account) > Money::ZERO
        };
        if is_due {
            self.put_off(account.id);
            self.wake.notify_one();
        }
    }

    /// A subaccount's top-up as it is now.
    pub fn top_up(&self, account_id: i64) -> Option<TopUp> {
        self.top_ups.get(&account_id).map(|top_up| top_up.clone())
    }

    /// Notes of a top-up what was written or tried.
    pub fn note(&self, account_id: i64, change: impl FnOnce(&mut TopUp)) {
        if let Some(mut top_up) = self.top_ups.get_mut(&account_id) {
            change(&mut top_up);
        }
    }

    /// Whether a subaccount was deleted.
    pub fn is_deleted(&self, account_id: i64) -> bool {
        self.deleted.contains(&account_id)
    }

    /// Waits until an account is to be attended to.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    /// The next account to be attended to.
    pub fn next_due(&self) -> Option<i64> {
        self.due().pop_first()
    }

    /// Has an account attended to later, without waking anybody.
    pub fn put_off(&self, account_id: i64) {
        self.due().insert(account_id);
    }

    fn due(&self) -> MutexGuard<'_, BTreeSet<i64>> {
        // Single insertions and removals: whoever panicked left it whole.
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
