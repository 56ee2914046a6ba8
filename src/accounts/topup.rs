//! Automatic top-up: when a charge or a hold brings a subaccount under its threshold, money of its client's follows.
//!
//! Whoever changes a subaccount's wallet says so ([`TopUps::touched`], a look at one number for the few that have a
//! top-up and nothing for all others); one task carries out what is due. A top-up fires once for each crossing: from
//! then on it is disarmed, in the transaction of the movement, until the balance is at the threshold again.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tollgate_rating::Money;

use super::Kind;
use super::directory::Account;
use super::money::{Alongside, EntriesAlone, MoveError, move_own_money};
use super::subaccounts;
use crate::app::desk::Desk;
use crate::store::subaccounts::{SubaccountRecord, TopUpSettings};
use crate::store::{Reserved, StoreError, Tx};

/// How often subaccounts are looked at that nobody spoke of: credit from the command line arms them too.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a top-up that could not be written waits for the next try.
const RETRY: Duration = Duration::from_secs(1);

/// A subaccount that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Watched {
    topup: TopUpSettings,
    armed: bool,
    deleted: bool,
}

/// The subaccounts that are watched, and those that something is due for.
#[derive(Debug, Default)]
pub struct TopUps {
    watched: DashMap<i64, Watched>,
    due: Mutex<HashSet<i64>>,
    filled: Notify,
}

/// What an account has of its own and not held: balance − held.
fn own(account: &Account) -> Option<Money> {
    let wallet = account.wallet.snapshot();
    wallet.balance.checked_sub(wallet.held)
}

impl TopUps {
    /// Takes in what the store has of a subaccount.
    pub fn put(&self, account: &Arc<Account>, record: &SubaccountRecord) {
        let deleted = record.deleted_at.is_some();
        let is_empty =
            account.wallet.snapshot().balance <= Money::ZERO && account.wallet.snapshot().calls == 0;
        if deleted && is_empty || !deleted && record.topup.amount == Money::ZERO {
            self.watched.remove(&account.id);
            return;
        }
        let armed = record.armed || own(account).is_some_and(|own| own >= record.topup.threshold);
        self.watched.insert(account.id, Watched { topup: record.topup, armed, deleted });
        self.touched(account);
    }

    /// An account's wallet has changed.
    pub fn touched(&self, account: &Account) {
        if account.kind != Kind::Subaccount {
            return;
        }
        let Some(watched) = self.watched.get(&account.id).map(|watched| *watched) else { return };
        if watched.is_due(account) {
            self.due.lock().unwrap_or_else(PoisonError::into_inner).insert(account.id);
            self.filled.notify_one();
        }
    }

    fn take_due(&self) -> HashSet<i64> {
        std::mem::take(&mut *self.due.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn all(&self) -> Vec<i64> {
        self.watched.iter().map(|entry| *entry.key()).collect()
    }

    fn set_armed(&self, id: i64, armed: bool) {
        if let Some(mut watched) = self.watched.get_mut(&id) {
            watched.armed = armed;
        }
    }
}

impl Watched {
    /// Whether something is to be done: money to be moved here, what is left to be moved back, or the top-up armed anew.
    fn is_due(self, account: &Account) -> bool {
        let Some(own) = own(account) else { return false };
        if self.deleted {
            return own > Money::ZERO;
        }
        (own < self.topup.threshold) == self.armed
    }
}

/// The top-up's mark, written with its money.
struct Fired {
    account_id: i64,
    armed: bool,
}

impl Alongside for Fired {
    type Refused = ();

    async fn write(&self, tx: &mut Tx, _: i64) -> Result<Result<(), ()>, StoreError> {
        Ok(tx.set_topup_armed(self.account_id, self.armed).await?.then_some(()).ok_or(()))
    }
}

/// Carries out what is due, until told to stop.
pub async fn carry_out(desk: Arc<Desk>, stop: CancellationToken) {
    let Ok(calls) = desk.live().await.cloned() else { return };
    let topups = calls.directory.topups();
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = topups.filled.notified() => {}
            _ = look.tick() => {
                for id in topups.all() {
                    if let Some(account) = calls.directory.account(id) {
                        topups.touched(&account);
                    }
                }
            }
        }
        for id in topups.take_due() {
            let Some(account) = calls.directory.account(id) else { continue };
            if let Err(error) = look_after(&desk, topups, &account).await {
                tracing::warn!(account.login = %account.login, %error, "a top-up was not carried out; it is tried again");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

async fn look_after(desk: &Desk, topups: &TopUps, account: &Arc<Account>) -> Result<(), MoveError<()>> {
    let Some(client) = account.parent().cloned() else { return Ok(()) };
    // The client's turn before the subaccount's, as everybody takes them.
    let _client = desk.turn_of(client.id).await;
    let _own = desk.turn_of(account.id).await;
    let Some(watched) = topups.watched.get(&account.id).map(|watched| *watched) else { return Ok(()) };
    if !watched.is_due(account) {
        return Ok(());
    }
    if watched.deleted {
        return give_back(desk, &client, account).await;
    }
    if !watched.armed {
        let mut tx = desk.store.begin().await?;
        tx.reserve_ids(Reserved::default()).await?;
        tx.set_topup_armed(account.id, true).await?;
        tx.commit().await?;
        topups.set_armed(account.id, true);
        return Ok(());
    }
    let amount = watched.topup.amount;
    let enough = own(account)
        .and_then(|own| own.checked_add(amount))
        .is_some_and(|after| after >= watched.topup.threshold);
    let note = format!("automatic top-up of {}", account.login);
    let Some(posting) = subaccounts::posting("topup", &client, account, amount, None, desk.currency(), note)
    else {
        return Ok(());
    };
    // Where it fills the subaccount to its threshold the next crossing is a new one.
    match move_own_money(desk, posting, &Fired { account_id: account.id, armed: enough }).await {
        Ok(_) => {
            topups.set_armed(account.id, enough);
            tracing::info!(account.login = %account.login, topup.nanos = amount.nanos(), "topped up");
            Ok(())
        }
        // The client cannot pay: the next charge tries again.
        Err(MoveError::NotEnough { .. } | MoveError::Refused(()) | MoveError::TooLarge) => Ok(()),
        Err(error) => Err(error),
    }
}

/// What a call that ended late left in a deleted subaccount goes back to its client.
async fn give_back(desk: &Desk, client: &Account, account: &Account) -> Result<(), MoveError<()>> {
    let Some(left) = own(account).filter(|left| *left > Money::ZERO) else { return Ok(()) };
    let Some(amount) = left.checked_neg() else { return Ok(()) };
    let note = format!("what was left of the deleted subaccount {}", account.login);
    let posting = subaccounts::posting("transfer", client, account, amount, None, desk.currency(), note);
    let Some(posting) = posting else { return Ok(()) };
    match move_own_money(desk, posting, &EntriesAlone).await {
        Ok(_) | Err(MoveError::NotEnough { .. } | MoveError::TooLarge) => Ok(()),
        Err(MoveError::Desk(error)) => Err(MoveError::Desk(error)),
        Err(MoveError::ReferenceTaken(reference)) => Err(MoveError::ReferenceTaken(reference)),
        Err(MoveError::Refused(never)) => match never {},
    }
}
