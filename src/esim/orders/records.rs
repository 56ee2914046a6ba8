//! The writes of an order, each in the transaction that holds, charges or releases its price.

use jiff::Timestamp;

use crate::accounts::spending::Record;
use crate::store::esim_orders::{EsimGiven, EsimStatus, NewEsimOrder};
use crate::store::idempotency::RememberedAnswer;
use crate::store::{Evidence, StoreError, Tx};

/// The order is not pending any more.
#[derive(Debug)]
pub struct NotPending;

/// A new order, with the answer that the same request gets again.
pub(super) struct NewOrder<'a> {
    pub(super) order: &'a NewEsimOrder,
    pub(super) remembered: Option<RememberedAnswer>,
}

impl Record for NewOrder<'_> {
    type Refused = std::convert::Infallible;

    async fn write(&self, tx: &mut Tx, _: Option<i64>) -> Result<Result<(), Self::Refused>, StoreError> {
        tx.insert_esim_order(self.order).await?;
        if let Some(answer) = &self.remembered {
            tx.remember_answer(answer).await?;
        }
        Ok(Ok(()))
    }
}

impl Evidence for NewOrder<'_> {
    async fn is_committed(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        Ok(tx.esim_order_status(self.order.id).await?.is_some())
    }
}

/// The eSIM of an order, with its charge.
pub(super) struct Allocation {
    pub(super) id: i64,
    pub(super) esim: EsimGiven,
    pub(super) at: Timestamp,
}

impl Record for Allocation {
    type Refused = NotPending;

    async fn write(&self, tx: &mut Tx, tx_id: Option<i64>) -> Result<Result<(), NotPending>, StoreError> {
        let Some(tx_id) = tx_id else {
            let reason = format!("order {} costs nothing", self.id);
            return Err(StoreError::Inconsistent { table: "esim_orders", reason });
        };
        let is_first = tx.settle_esim_order(self.id, &self.esim, self.at, tx_id).await?;
        Ok(if is_first { Ok(()) } else { Err(NotPending) })
    }
}

impl Evidence for Allocation {
    async fn is_committed(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        Ok(tx.esim_order_status(self.id).await? == Some(self.esim.status))
    }
}

/// The failure of an order, with the release of its hold.
pub(super) struct OrderFailure<'a> {
    pub(super) id: i64,
    pub(super) reason: &'a str,
    pub(super) at: Timestamp,
}

impl Record for OrderFailure<'_> {
    type Refused = NotPending;

    async fn write(&self, tx: &mut Tx, _: Option<i64>) -> Result<Result<(), NotPending>, StoreError> {
        let is_first = tx.fail_esim_order(self.id, self.reason, self.at).await?;
        Ok(if is_first { Ok(()) } else { Err(NotPending) })
    }
}

impl Evidence for OrderFailure<'_> {
    async fn is_committed(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        Ok(tx.esim_order_status(self.id).await? == Some(EsimStatus::Failed))
    }
}
