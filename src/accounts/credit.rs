//! Credits and debits by the operator, at most once per idempotency key.

use std::convert::Infallible;

use tollgate_rating::Money;

use super::balance;
use super::create::MAX_CREDIT;
use super::error::OpsError;
use super::money::{Alongside, MoveError, move_money};
use crate::ledger::{Fence, Posted, Posting, Reference};
use crate::secrets::random_below;
use crate::services::Services;
use crate::store::batch::PostingRefusal;
use crate::store::{StoreError, Tx};

/// Maximum length of a credit's reference, in characters.
const MAX_REFERENCE_CHARS: usize = 200;
/// Maximum length of a credit's key, in characters.
const MAX_KEY_CHARS: usize = 64;
/// A credit to post.
#[derive(Clone, Debug)]
pub struct CreditOrder<'a> {
    /// Login of the account.
    pub login: &'a str,
    /// Amount to credit; negative to debit.
    pub amount: Money,
    /// Note in the ledger.
    pub reference: &'a str,
    /// Idempotency key; without a key each order posts another credit.
    pub key: Option<&'a str>,
}

/// A posted credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credited {
    /// Balance of the account after the posting.
    pub balance: Money,
    /// Id of the ledger transaction.
    pub tx_id: i64,
    /// True if an earlier order with the same key posted the credit; this order posted nothing.
    pub repeated: bool,
}

/// The entries alone. A debit requires enough available credit, credit limit included.
struct EntriesAlone;

impl Alongside for EntriesAlone {
    type Refused = Infallible;

    async fn write(&self, _: &mut Tx, _: i64) -> Result<Result<(), Infallible>, StoreError> {
        Ok(Ok(()))
    }
}

/// Posts a credit to the ledger and to the wallet.
pub async fn give(services: &Services, order: &CreditOrder<'_>) -> Result<Credited, OpsError> {
    check(order)?;
    let account = services.store.account_by_login(order.login).await?;
    let account = account.ok_or_else(|| OpsError::UnknownAccount(order.login.to_owned()))?;
    // Only the owner posts credits: a credit that is not in the ledger now is posted here or not at all.
    services.ledger().await?;
    let fence = Fence::Owner { epoch: services.ownership.epoch() };
    let mut posting = Posting::credit(account.id, order.amount, services.currency(), None, fence)
        .ok_or_else(|| bad("AMOUNT", "is out of range"))?;
    posting.note = Some(order.reference.to_owned());
    posting.reference = Some(Reference { scope: 0, text: name(services, order) });
    let _lock = services.lock_account(account.id).await;
    let before = match order.key {
        Some(_) => services.store.posted_before(&posting).await?,
        None => None,
    };
    let posted = match before {
        Some(Ok(posted)) => posted,
        Some(Err(refusal)) => return Err(refused(refusal, order)),
        None => move_money(services, posting, &EntriesAlone).await.map_err(|error| failed(error, order))?,
    };
    let Posted { tx_id, duplicate: repeated } = posted;
    Ok(Credited { balance: balance::account_money(services, &account).await?.balance, tx_id, repeated })
}

/// Returns the reference of the posting. An order without a key gets a unique reference, so that the outcome of a
/// commit in doubt can be read.
fn name(services: &Services, order: &CreditOrder<'_>) -> String {
    match order.key {
        Some(key) => format!("key:{key}"),
        None => format!("cli-{}-{:016x}", services.clock.now().as_microsecond(), random_below(u64::MAX)),
    }
}

fn check(order: &CreditOrder<'_>) -> Result<(), OpsError> {
    if order.amount == Money::ZERO {
        return Err(bad("AMOUNT", "must not be zero"));
    }
    if order.amount > MAX_CREDIT || order.amount.nanos() < -MAX_CREDIT.nanos() {
        return Err(bad("AMOUNT", "is larger than one credit may be (1000000000)"));
    }
    let characters = order.reference.chars().count();
    if characters == 0 || characters > MAX_REFERENCE_CHARS || order.reference.chars().any(char::is_control) {
        return Err(bad("reference", "must be 1 to 200 printable characters"));
    }
    let fits = |key: &str| {
        (1..=MAX_KEY_CHARS).contains(&key.len())
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/".contains(&b))
    };
    if order.key.is_some_and(|key| !fits(key)) {
        return Err(bad("key", "must be 1 to 64 letters, digits and - _ . : /"));
    }
    Ok(())
}

fn bad(field: &'static str, reason: &str) -> OpsError {
    OpsError::BadValue { field, reason: reason.to_owned() }
}

fn refused(refusal: PostingRefusal, order: &CreditOrder<'_>) -> OpsError {
    match refusal {
        PostingRefusal::ReferenceTaken { .. } => OpsError::KeyTaken(order.key.unwrap_or_default().to_owned()),
        PostingRefusal::StaleEpoch { epoch } => StoreError::StaleEpoch { epoch }.into(),
        refusal @ PostingRefusal::Unbalanced => {
            StoreError::Inconsistent { table: "entries", reason: refusal.to_string() }.into()
        }
    }
}

fn failed(error: MoveError<Infallible>, order: &CreditOrder<'_>) -> OpsError {
    match error {
        MoveError::NotEnough { available, .. } => {
            OpsError::NotEnough { login: order.login.to_owned(), available }
        }
        MoveError::TooLarge => bad("AMOUNT", "is more than a wallet holds"),
        MoveError::ReferenceTaken(_) => OpsError::KeyTaken(order.key.unwrap_or_default().to_owned()),
        MoveError::Refused(never) => match never {},
        MoveError::Services(error) => error.into(),
    }
}
