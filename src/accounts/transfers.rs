//! Transfers: retail credit that a reseller grants one of its clients, once per external id.

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

/// A transfer that a reseller orders.
#[derive(Clone, Debug)]
pub struct TransferOrder {
    /// Id of the reseller.
    pub reseller_id: i64,
    /// Login of the receiving client, as written in the request.
    pub login: String,
    /// Amount to transfer.
    pub amount: Money,
    /// The reseller's id of the transfer.
    pub external_id: String,
}

/// Reasons to refuse a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferRefusal {
    /// The reseller has no such client.
    #[error("the reseller has no such client")]
    UnknownClient,
    /// The external id has more than one spelling.
    #[error("external_id: {0}")]
    ExternalId(OddText),
    /// The amount cannot be granted.
    #[error("amount: {0}")]
    Amount(AmountError),
    /// The external id was used before for another transfer.
    #[error("this external_id was used with another body before")]
    ExternalIdTaken,
    /// The client's balance would exceed the range of a wallet.
    #[error("the balance would be more than an account holds")]
    TooLarge,
}

impl TransferRefusal {
    /// Returns the machine code that a recorded failure shows.
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

/// Reasons why a transfer did not happen.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The transfer was refused.
    #[error(transparent)]
    Refused(#[from] TransferRefusal),
    /// The database is unreachable, or another process owns the wallets.
    #[error(transparent)]
    Services(#[from] ServiceError),
}

impl From<StoreError> for TransferError {
    fn from(error: StoreError) -> Self {
        Self::Services(error.into())
    }
}

/// Grants the credit, or returns the record of the earlier transfer with the same external id.
///
/// `client` is the reseller's client with the order's login, if there is one.
pub async fn transfer(
    services: &Services,
    order: &TransferOrder,
    client: Option<&Account>,
) -> Result<TransferRecord, TransferError> {
    retail_credit::check_amount(order.amount).map_err(TransferRefusal::Amount)?;
    if let Some(first) = services.store.transfer_of(order.reseller_id, &order.external_id).await? {
        return the_same(first, order);
    }
    // After the lookup: transfers recorded under an ambiguous id before the rule existed are found by it.
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
        // No wallet is debited: the credit comes from a system account.
        Err(MoveError::TooLarge | MoveError::NotEnough { .. }) => Err(TransferRefusal::TooLarge.into()),
        Err(MoveError::Services(error)) => Err(error.into()),
        Err(MoveError::Refused(never)) => match never {},
    }
}

/// Records a refused order, so that the reseller finds it among its transactions, unless the maximum is recorded
/// already. Its external id stays free.
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

/// Returns the earlier transfer with this external id if it matches the order.
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
