//! Automatic transfers between a client and its subaccounts: top-ups, and the return of money that a deleted subaccount
//! receives late.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tollgate_rating::Money;
use tollgate_rating::credit::Guarded;

use super::money::{Alongside, MoveError, OwnMoneyAlone, move_money};
use crate::directory::Account;
use crate::directory::Directory;
use crate::directory::keys as key_digests;
use crate::directory::wallet_watch::{TopUp, own_money};
use crate::ledger::{Fence, Posted, Posting, PostingLine, Reference};
use crate::services::{ServiceError, Services};
use crate::store::{StoreError, Tx};

/// Delay before the next try after the database did not answer.
const AGAIN: Duration = Duration::from_secs(1);
/// Random characters of a generated reference.
const REFERENCE_CHARS: usize = 24;

/// Generates a unique reference for a transfer between a client and its subaccount.
pub(super) fn fresh_reference(client: &Account, what: &str) -> Reference {
    Reference { scope: client.id, text: format!("{what}/{}", key_digests::random_text(REFERENCE_CHARS)) }
}

/// Builds the posting of a transfer from one account to another.
pub(super) fn moved(
    services: &Services,
    kind: &str,
    (from, to): (&Account, &Account),
    amount: Money,
    reference: Reference,
    note: String,
) -> Option<Posting> {
    Some(Posting {
        kind: kind.to_owned(),
        lines: vec![PostingLine::new(from.id, amount.checked_neg()?), PostingLine::new(to.id, amount)],
        currency: services.currency().to_owned(),
        reference: Some(reference),
        note: Some(note),
        // Set by the transfer.
        fence: Fence::Fact,
    })
}

/// Processes due subaccounts' wallets until `stop`.
pub async fn carry_out(services: Arc<Services>, directory: Arc<Directory>, stop: CancellationToken) {
    let watch = directory.wallet_watch();
    // An earlier process may have ended between a charge and the top-up it made due.
    for account in directory.all() {
        watch.look_at(&account);
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = watch.woken() => {}
        }
        while let Some(id) = watch.next_due() {
            if stop.is_cancelled() {
                return;
            }
            let Some(account) = directory.account(id) else { continue };
            if let Err(error) = attend(&services, &directory, &account).await {
                tracing::warn!(account.login = %account.login, %error, "a subaccount's money waits for the database");
                watch.put_off(id);
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(AGAIN) => {}
                }
            }
        }
    }
}

/// Processes one subaccount that is due.
async fn attend(
    services: &Services,
    directory: &Directory,
    account: &Arc<Account>,
) -> Result<(), ServiceError> {
    let Some(client) = account.parent() else { return Ok(()) };
    let watch = directory.wallet_watch();
    let _lock = services.lock_account(client.id).await;
    if watch.is_deleted(account.id) {
        return give_back_rest(services, account, client).await;
    }
    let Some(top_up) = watch.top_up(account.id).filter(|top_up| top_up.armed) else { return Ok(()) };
    let is_under = own_money(account) < top_up.threshold;
    // A disabled subaccount makes no calls that need a top-up.
    let can_pay = account.may_call() && own_money(client) >= top_up.amount;
    if is_under && (can_pay || top_up.unsure.is_some()) {
        return fill(services, directory, account, client, top_up).await;
    }
    if is_under {
        tracing::debug!(account.login = %account.login, "a top-up waits: its client cannot pay it");
    }
    if !top_up.stored_armed {
        services.store.arm_top_up(account.id).await?;
        watch.note(account.id, |top_up| top_up.stored_armed = true);
    }
    Ok(())
}

/// Row written with a top-up: whether the next fall below the threshold starts a new top-up.
struct Crossed<'a> {
    account: &'a Account,
    top_up: &'a TopUp,
    /// The value written last.
    rearmed: AtomicBool,
}

impl Crossed<'_> {
    /// Reports whether the top-up lifts the balance to the threshold.
    fn rearms(&self) -> bool {
        own_money(self.account)
            .checked_add(self.top_up.amount)
            .is_some_and(|after| after >= self.top_up.threshold)
    }
}

impl Alongside for Crossed<'_> {
    type Refused = std::convert::Infallible;

    fn guard(&self) -> Guarded {
        Guarded::OwnMoney
    }

    async fn write(&self, tx: &mut Tx, _: i64) -> Result<Result<(), Self::Refused>, StoreError> {
        let rearms = self.rearms();
        tx.set_armed(self.account.id, rearms).await?;
        self.rearmed.store(rearms, Ordering::Relaxed);
        Ok(Ok(()))
    }
}

/// Tops a subaccount up, once per fall below its threshold.
async fn fill(
    services: &Services,
    directory: &Directory,
    account: &Arc<Account>,
    client: &Arc<Account>,
    top_up: TopUp,
) -> Result<(), ServiceError> {
    let watch = directory.wallet_watch();
    let text = top_up.unsure.clone().unwrap_or_else(|| fresh_reference(client, "topup").text);
    let reference = Reference { scope: client.id, text: text.clone() };
    let note = format!("automatic top-up of subaccount {}", account.login);
    let Some(posting) = moved(services, "topup", (client, account), top_up.amount, reference, note) else {
        return Ok(());
    };
    watch.note(account.id, |noted| noted.unsure = Some(text));
    let crossed = Crossed { account, top_up: &top_up, rearmed: AtomicBool::new(false) };
    let outcome = move_money(services, posting, &crossed).await;
    let done = |armed: bool| {
        watch.note(account.id, |noted| {
            noted.unsure = None;
            noted.armed = armed;
            noted.stored_armed = armed;
        });
        // The credit may have been spent meanwhile.
        watch.look_at(account);
    };
    match outcome {
        Ok(posted) => {
            tracing::info!(account.login = %account.login, topup.amount = %top_up.amount, "topped up");
            done(!posted.duplicate && crossed.rearmed.load(Ordering::Relaxed));
            Ok(())
        }
        // An earlier try under another amount was committed, and its answer did not arrive.
        Err(MoveError::ReferenceTaken(_)) => {
            done(false);
            Ok(())
        }
        // A call spent the money a moment ago: retried at the next charge.
        Err(MoveError::NotEnough { .. }) => {
            watch.note(account.id, |noted| noted.unsure.clone_from(&top_up.unsure));
            Ok(())
        }
        Err(MoveError::TooLarge) => {
            tracing::warn!(account.login = %account.login, "a top-up is more than the wallet holds");
            Ok(())
        }
        Err(MoveError::Refused(never)) => match never {},
        Err(MoveError::Services(error)) => Err(error),
    }
}

/// Moves a deleted subaccount's remaining money to its client. The caller holds the client's lock.
pub(super) async fn give_back_rest(
    services: &Services,
    account: &Arc<Account>,
    client: &Arc<Account>,
) -> Result<(), ServiceError> {
    let rest = own_money(account);
    if rest <= Money::ZERO {
        return Ok(());
    }
    let note = format!("rest of deleted subaccount {}", account.login);
    let reference = fresh_reference(client, "rest");
    let Some(posting) = moved(services, "transfer", (account, client), rest, reference, note) else {
        return Ok(());
    };
    match move_money(services, posting, &OwnMoneyAlone).await {
        Ok(Posted { .. }) => Ok(()),
        Err(MoveError::Services(error)) => Err(error),
        Err(error) => {
            tracing::warn!(account.login = %account.login, %error, "the rest of a deleted subaccount stays");
            Ok(())
        }
    }
}
