//! The watched wallets: subaccounts with an automatic top-up, and deleted subaccounts, whose late receipts go to the
//! client.
//!
//! Every change of a wallet is reported with [`WalletWatch::look_at`], in memory and without waiting; `accounts::topups`
//! processes the wallets that are due.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dashmap::{DashMap, DashSet};
use tokio::sync::Notify;
use tollgate_rating::Money;

use super::account::Account;
use crate::store::accounts::Kind;
use crate::store::subaccounts::SubaccountRecord;

/// Returns the account's own money: its balance less held credit, without the credit limit.
pub fn own_money(account: &Account) -> Money {
    let wallet = account.wallet.snapshot();
    wallet.balance.checked_sub(wallet.held).unwrap_or(Money::from_nanos(i64::MIN))
}

/// An automatic top-up in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopUp {
    /// The top-up is due when the balance is below this amount.
    pub threshold: Money,
    /// Amount to transfer.
    pub amount: Money,
    /// True if the top-up may transfer money. It is armed again only after the balance has reached the threshold.
    pub armed: bool,
    /// The armed flag as stored in the database.
    pub stored_armed: bool,
    /// Reference of a transfer whose commit is in doubt: a retry under the same reference transfers only once.
    pub unsure: Option<String>,
}

/// The watched wallets.
#[derive(Debug, Default)]
pub struct WalletWatch {
    top_ups: DashMap<i64, TopUp>,
    deleted: DashSet<i64>,
    /// Accounts to process, each once: at most as many as there are subaccounts.
    due: Mutex<BTreeSet<i64>>,
    wake: Notify,
}

impl WalletWatch {
    /// Applies a subaccount's record from the store. The armed flag of a known top-up is kept from memory, because the
    /// record may be older than a transfer.
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

    /// Handles a change of a wallet. An account that is not a subaccount costs one comparison.
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

    /// Returns a subaccount's present top-up.
    pub fn top_up(&self, account_id: i64) -> Option<TopUp> {
        self.top_ups.get(&account_id).map(|top_up| top_up.clone())
    }

    /// Changes a top-up's state after a write or a try.
    pub fn note(&self, account_id: i64, change: impl FnOnce(&mut TopUp)) {
        if let Some(mut top_up) = self.top_ups.get_mut(&account_id) {
            change(&mut top_up);
        }
    }

    /// Reports whether a subaccount was deleted.
    pub fn is_deleted(&self, account_id: i64) -> bool {
        self.deleted.contains(&account_id)
    }

    /// Waits until an account is due.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Removes and returns the next account that is due.
    pub fn next_due(&self) -> Option<i64> {
        self.due().pop_first()
    }

    /// Queues an account for later, without waking the waiting task.
    pub fn put_off(&self, account_id: i64) {
        self.due().insert(account_id);
    }

    fn due(&self) -> MutexGuard<'_, BTreeSet<i64>> {
        // Single insertions and removals: a panicking holder left it consistent.
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
