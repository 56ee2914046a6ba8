//! Transfers: retail credit that a reseller gives one of its clients, once by the reseller's name for it.

use std::convert::Infallible;

use tollgate_rating::Money;

use super::money::{Alongside, MoveError, move_money};
use super::reference_text::{self, OddText};
use super::retail_credit::{self, AmountError};
use crate::directory::Account;
use crate::services::{ServiceError, Services};
use crate::store::transfers::{TransferEnd, TransferRecord};
use crate::store::{Reserved, StoreError, Tx};

/// The kind of its postings.
const KIND: &str = "transfer";

/// What a reseller asks for.
#[derive(Clone, Debug)]
pub struct TransferOrder {
    /// Who gives.
    pub reseller_id: i64,
    /// Who gets, as it was written.
    pub login: String,
    /// How much.
    pub amount: Money,
    /// The reseller's name for it.
    pub external_id: String,
}

/// Why a transfer was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferRefusal {
    /// The reseller has no such client.
    #[error("the reseller has no such client")]
    UnknownClient,
    /// The reseller's name for it has more than one spelling.
    #[error("external_id: {0}")]
    ExternalId(OddText),
    /// The amount is none that is given.
    #[error("amount: {0}")]
    Amount(AmountError),
    /// The name was given to another transfer before.
    #[error("this external_id was used with another body before")]
    ExternalIdTaken,
    /// The client would have more than a wallet holds.
    #[error("the balance would be more than an account holds")]
    TooLarge,
}

impl TransferRefusal {
    /// The machine code that a kept failure shows.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::UnknownClient => "unknown_client",
            Self::ExternalId(_) => "external_id",
            Self::Amount(_) => "amount",
            Self::ExternalIdTaken => "external_id_taken",
            Self::TooLarge => "too_large",
        }
    }
}

/// Why a transfer did not happen.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// It was refused.
    #[error(transparent)]
    Refused(#[from] TransferRefusal),
    /// The database is away, or the wallets are another process's.
    #[error(transparent)]
    Services(#[from] ServiceError),
}

impl From<StoreError> for TransferError {
    fn from(error: StoreError) -> Self {
        Self::Services(error.into())
    }
}

/// Gives the credit, or finds that it was given before: the record is the first one's then.
///
/// `client` is the reseller's own client of the order's login, if there is one.
pub async fn transfer(
    services: &Services,
    order: &TransferOrder,
    client: Option<&Account>,
) -> Result<TransferRecord, TransferError> {
    retail_credit::check_amount(order.amount).map_err(TransferRefusal::Amount)?;
    if let Some(first) = services.store.transfer_of(order.reseller_id, &order.external_id).await? {
        return the_same(first, order);
    }
    // After the search: what was given under an odd name before is found by it.
    reference_text::check(&order.external_id).map_err(TransferRefusal::ExternalId)?;
    let client = client.ok_or(TransferRefusal::UnknownClient)?;
    let _lock = services.lock_account(client.id).await;
    let before = client.wallet.snapshot().balance;
    let client_balance = before.checked_add(order.amount).ok_or(TransferRefusal::TooLarge)?;
    let posting = retail_credit::posting(
        KIND,
        order.reseller_id,
        client.id,
        order.amount,
        &order.external_id,
        services.currency(),
        format!("transfer {}", order.external_id),
    )
    .ok_or(TransferRefusal::Amount(AmountError::TooLarge))?;
    let record = TransferRecord {
        id: 0,
        reseller_id: order.reseller_id,
        external_id: order.external_id.clone(),
        login: order.login.clone(),
        amount: order.amount,
        end: TransferEnd::Success { client_balance },
        created_at: services.clock.now(),
    };
    match move_money(services, posting, &Row(&record)).await {
        Ok(posted) if posted.duplicate => {
            let first = services.store.transfer_of(order.reseller_id, &order.external_id).await?;
            first.ok_or_else(|| lost(posted.tx_id).into()).and_then(|first| the_same(first, order))
        }
        Ok(posted) => Ok(TransferRecord { id: posted.tx_id, ..record }),
        Err(MoveError::ReferenceTaken(_)) => Err(TransferRefusal::ExternalIdTaken.into()),
        // Nothing is taken from a wallet: the house's own account gives.
        Err(MoveError::TooLarge | MoveError::NotEnough { .. }) => Err(TransferRefusal::TooLarge.into()),
        Err(MoveError::Services(error)) => Err(error.into()),
        Err(MoveError::Refused(never)) => match never {},
    }
}

/// Keeps a refused order, so that its reseller finds it among its transactions, unless as many are kept already. Its name
/// stays free.
pub async fn keep_refused(
    services: &Services,
    order: &TransferOrder,
    refusal: TransferRefusal,
) -> Result<(), StoreError> {
    let mut tx = services.store.begin().await?;
    let reserved = tx.reserve_ids(Reserved { transactions: 1, ..Reserved::default() }).await?;
    let kept = tx.count_failed_transfers(order.reseller_id).await?;
    if kept >= i64::from(services.config.limits.kept_failures_per_reseller) {
        return tx.rollback().await;
    }
    let record = TransferRecord {
        id: reserved.transactions,
        reseller_id: order.reseller_id,
        external_id: order.external_id.clone(),
        login: order.login.clone(),
        amount: order.amount,
        end: TransferEnd::Failed { reason: refusal.reason().to_owned() },
        created_at: services.clock.now(),
    };
    tx.insert_transfer(&record).await?;
    tx.commit().await
}

/// A transfer of this name that was made before, if it is what is asked for again.
fn the_same(first: TransferRecord, order: &TransferOrder) -> Result<TransferRecord, TransferError> {
    if first.login == order.login && first.amount == order.amount {
        Ok(first)
    } else {
        Err(TransferRefusal::ExternalIdTaken.into())
    }
}

fn lost(tx_id: i64) -> StoreError {
    StoreError::Inconsistent { table: "transfers", reason: format!("transaction {tx_id} has no row") }
}

struct Row<'a>(&'a TransferRecord);

impl Alongside for Row<'_> {
    type Refused = Infallible;

    async fn write(&self, tx: &mut Tx, tx_id: i64) -> Result<Result<(), Infallible>, StoreError> {
        tx.insert_transfer(&TransferRecord { id: tx_id, ..self.0.clone() }).await.map(Ok)
    }
}
