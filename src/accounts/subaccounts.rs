//! Subaccounts: accounts of a client's with purses of their own, on its plan.
//!
//! What a subaccount spends was taken from its client when it was moved there. It has no SIP account and no key until
//! it gets one (`tollgate sip create`, `tollgate key create`).

use std::sync::Arc;

use jiff::Timestamp;
use tollgate_rating::Money;

use super::directory::Account;
use super::keys::random_text;
use super::money::{Alongside, MoveError, move_own_money};
use super::ops::{self, OpsError};
use super::retail_credit::{self, AmountError};
use super::{AccountRecord, Kind, portal};
use crate::app::desk::{Desk, DeskError, FEED_ACCOUNT};
use crate::ledger::{Fence, Posting, PostingLine, Reference};
use crate::store::profiles::Profile;
use crate::store::subaccounts::{ListedSubaccount, TopUpSettings};
use crate::store::{StoreError, Tx};

/// Subaccounts that a client can have.
pub const MAX_SUBACCOUNTS: i64 = 1_000;
/// The longest name of a person or company.
const MAX_NAME_CHARS: usize = 100;

/// Why an operation was refused.
#[derive(Debug, thiserror::Error)]
pub enum SubaccountError {
    /// There is none of this id, or it is somebody else's.
    #[error("there is no such subaccount")]
    Unknown,
    /// The mail address is none.
    #[error("the mail address is none")]
    BadEmail,
    /// A name is too long or holds control characters.
    #[error("a name has at most {MAX_NAME_CHARS} printable characters")]
    BadName,
    /// The amount is refused.
    #[error("amount: {0}")]
    Amount(#[from] AmountError),
    /// The client has as many as it can have.
    #[error("a client has at most {MAX_SUBACCOUNTS} subaccounts")]
    TooMany,
    /// The client has less than what is moved.
    #[error("there is not enough credit")]
    NotEnough,
    /// The subaccount would have more than a wallet holds.
    #[error("the balance would be more than an account holds")]
    TooLarge,
    /// The idempotency key came with another transfer before.
    #[error("this Idempotency-Key came with another transfer before")]
    ReferenceTaken,
    /// The database is away, or the wallets are another process's.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// No free login was found.
    #[error(transparent)]
    Ops(OpsError),
}

impl From<StoreError> for SubaccountError {
    fn from(error: StoreError) -> Self {
        Self::Desk(error.into())
    }
}

impl From<OpsError> for SubaccountError {
    fn from(error: OpsError) -> Self {
        match error {
            OpsError::Store(error) => error.into(),
            OpsError::Desk(error) => error.into(),
            other => Self::Ops(other),
        }
    }
}

impl<R> From<MoveError<R>> for SubaccountError {
    fn from(error: MoveError<R>) -> Self {
        match error {
            MoveError::NotEnough { .. } => Self::NotEnough,
            MoveError::TooLarge => Self::TooLarge,
            MoveError::ReferenceTaken(_) => Self::ReferenceTaken,
            MoveError::Refused(_) => Self::Unknown,
            MoveError::Desk(error) => error.into(),
        }
    }
}

/// A subaccount to make.
#[derive(Clone, Debug, Default)]
pub struct NewSubaccount {
    /// Name of a person.
    pub name: Option<String>,
    /// Mail address.
    pub email: String,
    /// Name of a company.
    pub company: Option<String>,
}

/// Money between a client and its subaccount: to the subaccount, or back to the client where the amount is below zero.
/// `None` where the amount has no opposite.
pub(super) fn posting(
    kind: &str,
    client: &Account,
    subaccount: &Account,
    amount: Money,
    name: Option<&str>,
    currency: &str,
    note: String,
) -> Option<Posting> {
    let text =
        name.map_or_else(|| format!("{}/{}", subaccount.id, random_text(20)), |key| format!("key/{key}"));
    Some(Posting {
        kind: kind.to_owned(),
        lines: vec![
            PostingLine::new(client.id, amount.checked_neg()?),
            PostingLine::new(subaccount.id, amount),
        ],
        currency: currency.to_owned(),
        reference: Some(Reference { scope: client.id, text }),
        note: Some(note),
        fence: Fence::Fact,
    })
}

/// A client's subaccounts, oldest first.
pub async fn list(desk: &Desk, client: &Account) -> Result<Vec<ListedSubaccount>, SubaccountError> {
    Ok(desk.store.subaccounts_of(client.id).await?)
}

/// Makes a subaccount of a client.
pub async fn create(
    desk: &Desk,
    client: &Account,
    new: NewSubaccount,
) -> Result<ListedSubaccount, SubaccountError> {
    if !portal::is_email(&new.email) {
        return Err(SubaccountError::BadEmail);
    }
    for name in [&new.name, &new.company].into_iter().flatten() {
        if name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
            return Err(SubaccountError::BadName);
        }
    }
    let mut tx = ops::begin(desk).await?;
    if tx.count_subaccounts(client.id).await? >= MAX_SUBACCOUNTS {
        return Err(SubaccountError::TooMany);
    }
    // As it is in the transaction: its plan may be changing.
    let above = tx.account_by_login(&client.login).await?.ok_or(SubaccountError::Unknown)?;
    let login = ops::free_login(&mut tx).await?;
    let account =
        ops::fresh(desk, &mut tx, login, Kind::Subaccount, Some(above.id), above.plan_id, Money::ZERO)
            .await?;
    ops::insert_rows(desk, &mut tx, &account, false).await?;
    tx.insert_subaccount(account.id).await?;
    let profile = Profile {
        email: Some(new.email),
        contact_name: new.name.filter(|name| !name.is_empty()),
        company: new.company.filter(|name| !name.is_empty()),
        ..Profile::default()
    };
    tx.put_profile(account.id, &profile).await?;
    tx.commit().await?;
    desk.account_changed(account.id).await?;
    Ok(ListedSubaccount {
        account_id: account.id,
        login: account.login,
        contact_name: profile.contact_name,
        email: profile.email,
        company: profile.company,
        topup: None,
        usage: Money::ZERO,
    })
}

/// A client's own subaccount that is not deleted, by its login.
async fn own(tx: &mut Tx, client: &Account, login: &str) -> Result<AccountRecord, SubaccountError> {
    let account = tx.account_by_login(login).await?;
    let account = account
        .filter(|account| account.kind == Kind::Subaccount && account.parent_id == Some(client.id))
        .ok_or(SubaccountError::Unknown)?;
    match tx.subaccount(account.id).await? {
        Some(subaccount) if subaccount.deleted_at.is_none() => Ok(account),
        _ => Err(SubaccountError::Unknown),
    }
}

/// Sets the automatic top-up of a subaccount, and arms it; an amount of zero switches it off.
pub async fn set_topup(
    desk: &Desk,
    client: &Account,
    login: &str,
    topup: impl FnOnce() -> Result<TopUpSettings, SubaccountError> + Send,
) -> Result<(), SubaccountError> {
    let mut tx = ops::begin(desk).await?;
    let account = own(&mut tx, client, login).await?;
    let topup = topup()?;
    if topup.amount != Money::ZERO {
        retail_credit::check_amount(topup.amount)?;
    }
    if topup.threshold != Money::ZERO {
        retail_credit::check_amount(topup.threshold)?;
    }
    tx.set_topup(account.id, topup).await?;
    tx.append_feed(FEED_ACCOUNT, account.id, desk.clock.now()).await?;
    tx.commit().await?;
    desk.account_changed(account.id).await?;
    Ok(())
}

/// The movement is only written while the subaccount is there.
struct WhileItIsThere {
    account_id: i64,
}

impl Alongside for WhileItIsThere {
    type Refused = ();

    async fn write(&self, tx: &mut Tx, _: i64) -> Result<Result<(), ()>, StoreError> {
        let there = tx.subaccount(self.account_id).await?.is_some_and(|it| it.deleted_at.is_none());
        Ok(there.then_some(()).ok_or(()))
    }
}

/// Moves credit from a client to its subaccount: once where the transfer has a name of the client's own.
pub async fn transfer(
    desk: &Desk,
    client: &Arc<Account>,
    login: &str,
    amount: Money,
    name: Option<&str>,
) -> Result<(), SubaccountError> {
    retail_credit::check_amount(amount)?;
    let calls = desk.live().await?;
    let subaccount = calls.directory.account_named(login);
    let subaccount = subaccount
        .filter(|account| account.kind == Kind::Subaccount)
        .filter(|account| account.parent().is_some_and(|above| above.id == client.id))
        .ok_or(SubaccountError::Unknown)?;
    let _client = desk.turn_of(client.id).await;
    let _own = desk.turn_of(subaccount.id).await;
    let note = format!("credit for the subaccount {login}");
    let posting = posting("transfer", client, &subaccount, amount, name, desk.currency(), note)
        .ok_or(SubaccountError::TooLarge)?;
    move_own_money(desk, posting, &WhileItIsThere { account_id: subaccount.id }).await?;
    Ok(())
}

/// What is written when a subaccount goes, with what it has left.
struct Gone {
    account: AccountRecord,
    at: Timestamp,
}

impl Gone {
    /// Marks it deleted, switches it off, takes its keys and peers away; refused where another did that before.
    async fn delete(&self, tx: &mut Tx) -> Result<Result<(), ()>, StoreError> {
        let id = self.account.id;
        if !tx.delete_subaccount(id, self.at).await? {
            return Ok(Err(()));
        }
        tx.update_account(&AccountRecord { active: false, ..self.account.clone() }).await?;
        for key in tx.keys_of(id).await? {
            tx.revoke_key(key.id, self.at).await?;
        }
        // Addresses before the SIP accounts that they belong to. The login's own name is never anybody's again.
        let mut peers = tx.peers_of(id).await?;
        peers.sort_by_key(|peer| peer.sip_account.is_none());
        for peer in peers {
            tx.delete_peer(&peer.name).await?;
        }
        if tx.name_owner(&self.account.login).await?.is_none() {
            tx.insert_name(&self.account.login, id).await?;
        }
        tx.append_feed(FEED_ACCOUNT, id, self.at).await?;
        Ok(Ok(()))
    }
}

impl Alongside for Gone {
    type Refused = ();

    async fn write(&self, tx: &mut Tx, _: i64) -> Result<Result<(), ()>, StoreError> {
        self.delete(tx).await
    }
}

/// Deletes a subaccount: what it has left goes back to its client, its calls end, its keys and peers are gone.
pub async fn delete(desk: &Desk, client: &Arc<Account>, login: &str) -> Result<(), SubaccountError> {
    let account = {
        let mut tx = ops::begin(desk).await?;
        let account = own(&mut tx, client, login).await?;
        tx.rollback().await?;
        account
    };
    let calls = desk.live().await?;
    let live = calls.directory.account(account.id).ok_or(SubaccountError::Unknown)?;
    let _client = desk.turn_of(client.id).await;
    let _own = desk.turn_of(account.id).await;
    let wallet = live.wallet.snapshot();
    let left = wallet.balance.checked_sub(wallet.held).filter(|left| *left > Money::ZERO);
    let gone = Gone { account, at: desk.clock.now() };
    match left.and_then(Money::checked_neg) {
        Some(amount) => {
            let note = format!("what was left of the deleted subaccount {login}");
            let posting = posting("transfer", client, &live, amount, None, desk.currency(), note)
                .ok_or(SubaccountError::TooLarge)?;
            match move_own_money(desk, posting, &gone).await {
                Ok(_) => {}
                // A call took some of it in this moment: what it leaves follows when it has ended.
                Err(MoveError::NotEnough { .. }) => delete_alone(desk, &gone).await?,
                Err(error) => return Err(error.into()),
            }
        }
        None => delete_alone(desk, &gone).await?,
    }
    desk.account_changed(gone.account.id).await?;
    Ok(())
}

async fn delete_alone(desk: &Desk, gone: &Gone) -> Result<(), SubaccountError> {
    let mut tx = ops::begin(desk).await?;
    gone.delete(&mut tx).await?.map_err(|()| SubaccountError::Unknown)?;
    tx.commit().await?;
    Ok(())
}
