//! Spending without a call: credit is held before the upstream is asked, charged when it accepts and released when it
//! refuses.
//!
//! The ledger records the holds in the transaction that writes the record of the purchase. Wallets in memory follow the
//! ledger, and the next process restores them from it. So a crash at any moment leaves the record together with its
//! hold, or neither.

use std::sync::Arc;

use jiff::Timestamp;
use tollgate_rating::Money;
use tollgate_rating::credit::{Chain, ChainError, Day, MAX_PAYERS, RefusalReason};

use crate::directory::Account;
use crate::ledger::{
    Fence, MESSAGE_REVENUE, PACKAGE_REVENUE, Posting, PostingLine, RESOLD_MESSAGES, RESOLD_PACKAGES,
    Reference,
};
use crate::services::{ServiceError, Services};
use crate::store::{CommitError, Evidence, Patience, Reserved, StoreError, Tx};

/// Purpose of spending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spending {
    /// Messages.
    Sms,
    /// eSIM plans.
    Esim,
}

impl Spending {
    /// Returns the kind of its postings.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Esim => "esim",
        }
    }

    /// Returns the system accounts that receive the share of the top of a chain, and the shares of the payers below it.
    const fn revenue(self) -> (i64, i64) {
        match self {
            Self::Sms => (MESSAGE_REVENUE, RESOLD_MESSAGES),
            Self::Esim => (PACKAGE_REVENUE, RESOLD_PACKAGES),
        }
    }
}

/// Share of one payer.
#[derive(Clone, Debug)]
pub struct Share {
    /// The payer.
    pub account: Arc<Account>,
    /// Amount to pay; never negative.
    pub amount: Money,
}

/// Record written in the transaction that holds, charges or releases.
pub trait Record: Evidence {
    /// Reason to refuse the record; then nothing happens.
    type Refused: Send + std::fmt::Debug;

    /// Writes the record. `tx_id` is the ledger transaction that charges; `None` if nothing is charged, because nothing
    /// is due, not yet, or no longer. It may run again after a failure, which has rolled back the record of the first
    /// run.
    fn write(
        &self,
        tx: &mut Tx,
        tx_id: Option<i64>,
    ) -> impl Future<Output = Result<Result<(), Self::Refused>, StoreError>> + Send;
}

/// Reasons why nothing was held, charged or released.
#[derive(Debug, thiserror::Error)]
pub enum SpendError<R> {
    /// A payer has less than its share.
    #[error("account {account_id}: {reason}")]
    Short {
        /// The payer's account.
        account_id: i64,
        /// Position of the payer in the chain: 0 is the buyer, higher ones are above it.
        payer_index: usize,
        /// Limit that was reached: credit, or spending per day.
        reason: RefusalReason,
    },
    /// The payers are not a valid chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The record was refused.
    #[error("refused: {0:?}")]
    Refused(R),
    /// The database is unreachable, or another process owns the wallets.
    #[error(transparent)]
    Services(#[from] ServiceError),
}

impl<R> From<StoreError> for SpendError<R> {
    fn from(error: StoreError) -> Self {
        Self::Services(error.into())
    }
}

/// Holds credit of every payer, or of none, and writes the record. On return both are durable.
pub async fn set_aside<R: Record>(
    services: &Services,
    spending: Spending,
    reference: &str,
    shares: &[Share],
    record: &R,
) -> Result<(), SpendError<R::Refused>> {
    hold_in_memory(services, shares).await?;
    let held = amounts(shares);
    let rows: Vec<(i64, Money)> = shares.iter().map(|share| (share.account.id, share.amount)).collect();
    let written = write(services, record, &Change::SetAside { reference, spending, rows: &rows }).await;
    if written.is_err() {
        follow(services, shares, &held, &vec![Money::ZERO; shares.len()]).await;
    }
    look_at(services, shares).await;
    written
}

/// Charges all credit held under a reference, and writes the outcome in the record.
pub async fn charge<R: Record>(
    services: &Services,
    spending: Spending,
    reference: &str,
    shares: &[Share],
    note: &str,
    record: &R,
) -> Result<(), SpendError<R::Refused>> {
    let held = amounts(shares);
    let posting = posting(services, spending, reference, shares, note);
    write(services, record, &Change::Charge { reference, held: &held, posting: posting.as_ref() }).await?;
    follow(services, shares, &held, &held).await;
    Ok(())
}

/// Releases all credit held under a reference, and writes the outcome in the record.
pub async fn give_back<R: Record>(
    services: &Services,
    reference: &str,
    shares: &[Share],
    record: &R,
) -> Result<(), SpendError<R::Refused>> {
    let held = amounts(shares);
    write(services, record, &Change::GiveBack { reference, held: &held }).await?;
    follow(services, shares, &held, &vec![Money::ZERO; shares.len()]).await;
    Ok(())
}

/// Removes the holds under a reference; fewer holds than expected are a ledger inconsistency.
pub async fn take(tx: &mut Tx, reference: &str, amounts: &[Money]) -> Result<(), StoreError> {
    if tx.take_held(reference, amounts).await? {
        return Ok(());
    }
    let reason = format!("less is set aside for {reference} than it takes");
    Err(StoreError::Inconsistent { table: "held_credit", reason })
}

/// Returns the amounts of the shares, in order.
pub fn amounts(shares: &[Share]) -> Vec<Money> {
    shares.iter().map(|share| share.amount).collect()
}

/// Builds the entries of a charge: each payer's share and its recipient. `None` if nothing is due.
pub fn posting(
    services: &Services,
    spending: Spending,
    reference: &str,
    shares: &[Share],
    note: &str,
) -> Option<Posting> {
    let (top, below) = spending.revenue();
    let mut lines = Vec::with_capacity(shares.len() * 2);
    for (position, share) in (1..).zip(shares) {
        if let Some(taken) = share.amount.checked_neg()
            && share.amount != Money::ZERO
        {
            let collected = if position == shares.len() { top } else { below };
            lines.push(PostingLine::new(share.account.id, taken));
            lines.push(PostingLine::new(collected, share.amount));
        }
    }
    (!lines.is_empty()).then(|| Posting {
        kind: spending.kind().to_owned(),
        lines,
        currency: services.currency().to_owned(),
        reference: Some(Reference { scope: 0, text: reference.to_owned() }),
        note: Some(note.to_owned()),
        fence: Fence::Owner { epoch: services.ownership.epoch() },
    })
}

/// Holds credit in the wallets; the ledger follows. The caller releases it if the ledger does not.
pub async fn hold_in_memory<R>(services: &Services, shares: &[Share]) -> Result<(), SpendError<R>> {
    services.ledger().await?;
    let days = days(services, shares).await?;
    let wallets: Vec<_> = shares.iter().map(|share| &share.account.wallet).collect();
    let refused = Chain::new(&wallets)?.hold_amounts(&amounts(shares), &days).err();
    match refused {
        None => Ok(()),
        Some(refusal) => Err(SpendError::Short {
            account_id: shares.get(refusal.payer_index).map_or(0, |share| share.account.id),
            payer_index: refusal.payer_index,
            reason: refusal.reason,
        }),
    }
}

/// Applies the ledger's outcome to the wallets: held credit is charged or released. Then checks the wallets, since a
/// top-up threshold may be crossed, or a deleted account may have a remainder.
pub async fn follow(services: &Services, shares: &[Share], held: &[Money], charges: &[Money]) {
    let wallets: Vec<_> = shares.iter().map(|share| &share.account.wallet).collect();
    let days = days(services, shares).await.unwrap_or_default();
    let followed = Chain::new(&wallets)
        .map_err(|error| error.to_string())
        .and_then(|chain| chain.replace_holds(held, charges, &days).map_err(|error| error.to_string()));
    if let Err(error) = followed {
        tracing::error!(%error, "wallets in memory are not as the book");
    }
    look_at(services, shares).await;
}

async fn look_at(services: &Services, shares: &[Share]) {
    if let Ok(calls) = services.memory().await {
        for share in shares {
            calls.directory.wallet_watch().look_at(&share.account);
        }
    }
}

/// Returns the present spending day of each payer, in its plan's zone.
async fn days(services: &Services, shares: &[Share]) -> Result<[Day; MAX_PAYERS], ServiceError> {
    let catalog = services.memory().await?.catalog.snapshot();
    let now: Timestamp = services.clock.now();
    let mut days = [Day::default(); MAX_PAYERS];
    for (day, share) in days.iter_mut().zip(shares) {
        if let Some(plan) = catalog.plan(share.account.settings().plan_id) {
            *day = plan.spending_day(now);
        }
    }
    Ok(days)
}

/// Change of credit that is held, or to be held, under a reference.
enum Change<'a> {
    SetAside { reference: &'a str, spending: Spending, rows: &'a [(i64, Money)] },
    Charge { reference: &'a str, held: &'a [Money], posting: Option<&'a Posting> },
    GiveBack { reference: &'a str, held: &'a [Money] },
}

impl Change<'_> {
    /// Writes the part that precedes the record; returns the transaction that charges, if one does.
    async fn before(&self, tx: &mut Tx, now: Timestamp) -> Result<Option<i64>, StoreError> {
        match self {
            Self::SetAside { reference, spending, rows } => {
                tx.hold_credit(reference, spending.kind(), rows, now).await?;
                Ok(None)
            }
            Self::Charge { reference, held, posting } => {
                take(tx, reference, held).await?;
                let Some(posting) = posting else { return Ok(None) };
                match tx.post(posting, now).await? {
                    Ok(posted) if !posted.duplicate => Ok(Some(posted.tx_id)),
                    Ok(_) => {
                        let reason = format!("{reference} was charged before");
                        Err(StoreError::Inconsistent { table: "posting_references", reason })
                    }
                    Err(refusal) => {
                        Err(StoreError::Inconsistent { table: "entries", reason: refusal.to_string() })
                    }
                }
            }
            Self::GiveBack { .. } => Ok(None),
        }
    }

    /// Writes the part that follows the record: the record determines whether there is credit to release.
    async fn after(&self, tx: &mut Tx) -> Result<(), StoreError> {
        match self {
            Self::GiveBack { reference, held } => take(tx, reference, held).await,
            Self::SetAside { .. } | Self::Charge { .. } => Ok(()),
        }
    }
}

/// Writes the change and the record in one transaction, under the present ownership. A commit in doubt is resolved: the
/// outcome is always known.
async fn write<R: Record>(
    services: &Services,
    record: &R,
    change: &Change<'_>,
) -> Result<(), SpendError<R::Refused>> {
    let mut tx = begin(services).await?;
    let tx_id = change.before(&mut tx, services.clock.now()).await?;
    if let Err(refused) = record.write(&mut tx, tx_id).await? {
        tx.rollback().await?;
        return Err(SpendError::Refused(refused));
    }
    change.after(&mut tx).await?;
    let committed = services.store.commit(tx, record, Patience::Unlimited).await;
    Ok(committed.map_err(CommitError::into_store_error)?)
}

/// Begins a transaction under the present ownership that no other writer overlaps.
pub async fn begin(services: &Services) -> Result<Tx, StoreError> {
    let mut tx = services.store.begin().await?;
    tx.reserve_ids(Reserved::default()).await?;
    let allowed = tx.require_epoch(services.ownership.epoch()).await;
    if matches!(allowed, Err(StoreError::StaleEpoch { .. })) {
        services.ownership.doubt();
    }
    allowed.map(|()| tx)
}
