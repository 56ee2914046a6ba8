//! Orders of eSIM packages.

use jiff::Timestamp;
use tollgate_rating::Money;

use super::{Store, StoreError, Tx, from_micros, on, row, to_micros};

const INSERT: &str = include_str!("../../sql/queries/esim_orders_insert.sql");
const ACCEPTED: &str = include_str!("../../sql/queries/esim_orders_accepted.sql");
const SETTLED: &str = include_str!("../../sql/queries/esim_orders_settled.sql");
const FAILED: &str = include_str!("../../sql/queries/esim_orders_failed.sql");
const STATE: &str = include_str!("../../sql/queries/esim_orders_state.sql");
const NOTED: &str = include_str!("../../sql/queries/esim_orders_noted.sql");
const ASKED: &str = include_str!("../../sql/queries/esim_orders_asked.sql");
const BY_ID: &str = include_str!("../../sql/queries/esim_orders_by_id.sql");
const OF: &str = include_str!("../../sql/queries/esim_orders_of.sql");
const COUNT: &str = include_str!("../../sql/queries/esim_orders_count.sql");
const PAGE: &str = include_str!("../../sql/queries/esim_orders_page.sql");
const PENDING: &str = include_str!("../../sql/queries/esim_orders_pending.sql");
const STALE: &str = include_str!("../../sql/queries/esim_orders_stale.sql");
const NAMED: &str = include_str!("../../sql/queries/esim_orders_named.sql");
const CODE: &str = include_str!("../../sql/queries/esim_orders_code.sql");
const STATUS: &str = include_str!("../../sql/queries/esim_orders_status.sql");
const NEWEST_CHARGED: &str = include_str!("../../sql/queries/esim_orders_newest_charged.sql");
const STUCK: &str = include_str!("../../sql/queries/esim_orders_stuck.sql");

/// Status of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EsimStatus {
    /// Its price is held; the upstream has not provided the eSIM yet.
    Pending,
    /// The eSIM is provided and unused.
    Allocated,
    /// The eSIM is in use.
    InUse,
    /// Its data volume is used up.
    UsedUp,
    /// Its validity has ended.
    Expired,
    /// The upstream has revoked it.
    Cancelled,
    /// The order was refused; nothing was charged.
    Failed,
}

impl EsimStatus {
    /// All statuses.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Allocated,
        Self::InUse,
        Self::UsedUp,
        Self::Expired,
        Self::Cancelled,
        Self::Failed,
    ];

    /// Returns the name that is shown and stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Allocated => "ALLOCATED",
            Self::InUse => "IN_USE",
            Self::UsedUp => "USED_UP",
            Self::Expired => "EXPIRED",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
        }
    }

    /// Parses the name of a status.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// A new, pending order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEsimOrder {
    /// Id of the order.
    pub id: i64,
    /// Account of the buyer.
    pub account_id: i64,
    /// Code of the package.
    pub package_code: String,
    /// Name of the package at the time of the order.
    pub package_name: String,
    /// Price for the buyer.
    pub price: Money,
    /// Price for each reseller above the buyer.
    pub wholesale: Money,
    /// Currency of both prices.
    pub currency: String,
    /// Cost stated to the upstream in 1/10,000 of its currency.
    pub cost_e4: i64,
    /// Currency of the cost.
    pub cost_currency: String,
    /// Transaction id of the order at the upstream.
    pub transaction_id: String,
    /// Name of its QR code.
    pub qr_token: String,
    /// Time of the order.
    pub created_at: Timestamp,
}

/// State of an eSIM as reported by the upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EsimGiven {
    /// Status; never pending or failed.
    pub status: EsimStatus,
    /// Transaction number of the eSIM at the upstream.
    pub tran_no: String,
    /// ICCID of the card.
    pub iccid: String,
    /// Activation code that installs it on a phone.
    pub activation_code: String,
    /// Purchased volume in bytes.
    pub total_bytes: Option<i64>,
    /// Used volume in bytes.
    pub used_bytes: Option<i64>,
    /// End of validity.
    pub expires_at: Option<Timestamp>,
}

/// An order as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EsimOrder {
    /// The order as created.
    pub new: NewEsimOrder,
    /// Status of the order.
    pub status: EsimStatus,
    /// Reason of the failure, or the upstream's last message.
    pub reason: Option<String>,
    /// The upstream's order number.
    pub order_no: Option<String>,
    /// Transaction number of the eSIM at the upstream.
    pub tran_no: Option<String>,
    /// ICCID of the card.
    pub iccid: Option<String>,
    /// Activation code that installs it on a phone.
    pub activation_code: Option<String>,
    /// Purchased volume in bytes.
    pub total_bytes: Option<i64>,
    /// Used volume in bytes.
    pub used_bytes: Option<i64>,
    /// End of validity.
    pub expires_at: Option<Timestamp>,
    /// Time of the last change.
    pub updated_at: Timestamp,
    /// Time of the last query to the upstream.
    pub asked_at: Timestamp,
    /// Id of its ledger transaction.
    pub tx_id: Option<i64>,
}

row! {
    struct OrderRow {
        id: i64,
        account_id: i64,
        package_code: String,
        package_name: String,
        price: i64,
        wholesale: i64,
        currency: String,
        cost_e4: i64,
        cost_currency: String,
        transaction_id: String,
        qr_token: String,
        status: String,
        reason: Option<String>,
        order_no: Option<String>,
        tran_no: Option<String>,
        iccid: Option<String>,
        activation_code: Option<String>,
        total_bytes: Option<i64>,
        used_bytes: Option<i64>,
        expires_at_us: Option<i64>,
        created_at_us: i64,
        updated_at_us: i64,
        asked_at_us: i64,
        tx_id: Option<i64>,
    }
}

impl OrderRow {
    fn order(self) -> Result<EsimOrder, StoreError> {
        let status = EsimStatus::parse(&self.status).ok_or_else(|| StoreError::Inconsistent {
            table: "esim_orders",
            reason: format!("order {} is {}", self.id, self.status),
        })?;
        Ok(EsimOrder {
            new: NewEsimOrder {
                id: self.id,
                account_id: self.account_id,
                package_code: self.package_code,
                package_name: self.package_name,
                price: Money::from_nanos(self.price),
                wholesale: Money::from_nanos(self.wholesale),
                currency: self.currency,
                cost_e4: self.cost_e4,
                cost_currency: self.cost_currency,
                transaction_id: self.transaction_id,
                qr_token: self.qr_token,
                created_at: from_micros(self.created_at_us),
            },
            status,
            reason: self.reason,
            order_no: self.order_no,
            tran_no: self.tran_no,
            iccid: self.iccid,
            activation_code: self.activation_code,
            total_bytes: self.total_bytes,
            used_bytes: self.used_bytes,
            expires_at: self.expires_at_us.map(from_micros),
            updated_at: from_micros(self.updated_at_us),
            asked_at: from_micros(self.asked_at_us),
            tx_id: self.tx_id,
        })
    }
}

fn orders(rows: Vec<OrderRow>) -> Result<Vec<EsimOrder>, StoreError> {
    rows.into_iter().map(OrderRow::order).collect()
}

impl Tx {
    /// Inserts a pending order.
    pub async fn insert_esim_order(&mut self, order: &NewEsimOrder) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(INSERT)
            .bind(order.id)
            .bind(order.account_id)
            .bind(&order.package_code)
            .bind(&order.package_name)
            .bind(order.price.nanos())
            .bind(order.wholesale.nanos())
            .bind(&order.currency)
            .bind(order.cost_e4)
            .bind(&order.cost_currency)
            .bind(&order.transaction_id)
            .bind(&order.qr_token)
            .bind(to_micros(order.created_at))
            .execute(c).await.map(drop))?;
        Ok(())
    }

    /// Reads the status of an order within this transaction.
    pub async fn esim_order_status(&mut self, id: i64) -> Result<Option<EsimStatus>, StoreError> {
        let row: Option<(String,)> = on!(self, c => sqlx::query_as(STATUS).bind(id).fetch_optional(c).await)?;
        Ok(row.and_then(|(status,)| EsimStatus::parse(&status)))
    }

    /// Writes the result of a pending order with its ledger transaction; `false` if it is no longer pending.
    pub async fn settle_esim_order(
        &mut self,
        id: i64,
        given: &EsimGiven,
        at: Timestamp,
        tx_id: i64,
    ) -> Result<bool, StoreError> {
        let changed = on!(self, c => sqlx::query(SETTLED)
            .bind(id)
            .bind(given.status.as_str())
            .bind(&given.tran_no)
            .bind(&given.iccid)
            .bind(&given.activation_code)
            .bind(given.total_bytes)
            .bind(given.used_bytes)
            .bind(given.expires_at.map(to_micros))
            .bind(to_micros(at))
            .bind(tx_id)
            .execute(c).await.map(|done| done.rows_affected()))?;
        Ok(changed == 1)
    }

    /// Marks a pending order as refused; `false` if it is no longer pending.
    pub async fn fail_esim_order(
        &mut self,
        id: i64,
        reason: &str,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = on!(self, c => sqlx::query(FAILED)
            .bind(id).bind(reason).bind(to_micros(at))
            .execute(c).await.map(|done| done.rows_affected()))?;
        Ok(changed == 1)
    }
}

impl Store {
    /// Writes the upstream's number of a pending order; `false` if another order has it.
    pub async fn esim_order_accepted(
        &self,
        id: i64,
        order_no: &str,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let written = on!(&mut tx, c => sqlx::query(ACCEPTED)
            .bind(id).bind(order_no).bind(to_micros(at)).execute(c).await.map(drop));
        match written.map_err(StoreError::from) {
            Ok(()) => tx.commit().await.map(|()| true),
            Err(error) if error.unique_violation().is_some() => tx.rollback().await.map(|()| false),
            Err(error) => Err(error),
        }
    }

    /// Writes the new state of a provided eSIM; `false` if its status is no longer `before`, so that a newer state is
    /// never overwritten.
    pub async fn esim_order_state(
        &self,
        id: i64,
        (before, status): (EsimStatus, EsimStatus),
        (total_bytes, used_bytes): (Option<i64>, Option<i64>),
        expires_at: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let changed = on!(&mut tx, c => sqlx::query(STATE)
            .bind(id)
            .bind(status.as_str())
            .bind(total_bytes)
            .bind(used_bytes)
            .bind(expires_at.map(to_micros))
            .bind(to_micros(at))
            .bind(before.as_str())
            .execute(c).await.map(|done| done.rows_affected()))?;
        tx.commit().await?;
        Ok(changed == 1)
    }

    /// Writes the upstream's last inconclusive message about a pending order.
    pub async fn note_esim_order(&self, id: i64, reason: &str) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        on!(&mut tx, c => sqlx::query(NOTED).bind(id).bind(reason).execute(c).await.map(drop))?;
        tx.commit().await
    }

    /// Writes the time of a query about an order.
    pub async fn esim_order_was_asked(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        on!(&mut tx, c => sqlx::query(ASKED).bind(id).bind(to_micros(at)).execute(c).await.map(drop))?;
        tx.commit().await
    }

    /// Reads an order.
    pub async fn esim_order(&self, id: i64) -> Result<Option<EsimOrder>, StoreError> {
        let mut reader = self.reader().await?;
        let row: Option<OrderRow> =
            on!(&mut reader, c => sqlx::query_as(BY_ID).bind(id).fetch_optional(c).await)?;
        row.map(OrderRow::order).transpose()
    }

    /// Reads an account's orders, newest first, and their total number.
    pub async fn esim_orders_of(
        &self,
        account_id: i64,
        limit: i64,
        offset: i64,
    ) -> Result<(Vec<EsimOrder>, i64), StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<OrderRow> = on!(&mut reader, c => sqlx::query_as(OF)
            .bind(account_id).bind(limit).bind(offset).fetch_all(c).await)?;
        let (total,): (i64,) =
            on!(&mut reader, c => sqlx::query_as(COUNT).bind(account_id).fetch_one(c).await)?;
        Ok((orders(rows)?, total))
    }

    /// Reads the orders of all accounts created up to a time, newest first; optionally of one status.
    pub async fn esim_orders_page(
        &self,
        status: Option<EsimStatus>,
        made_until: Timestamp,
        limit: i64,
    ) -> Result<Vec<EsimOrder>, StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<OrderRow> = on!(&mut reader, c => sqlx::query_as(PAGE)
            .bind(status.map_or("", EsimStatus::as_str)).bind(to_micros(made_until)).bind(limit)
            .fetch_all(c).await)?;
        orders(rows)
    }

    /// Reads the newest order that was charged and not revoked.
    pub async fn esim_order_newest_charged(&self) -> Result<Option<EsimOrder>, StoreError> {
        let mut reader = self.reader().await?;
        let row: Option<OrderRow> =
            on!(&mut reader, c => sqlx::query_as(NEWEST_CHARGED).fetch_optional(c).await)?;
        row.map(OrderRow::order).transpose()
    }

    /// Reads every pending order, oldest first.
    pub async fn esim_orders_pending(&self) -> Result<Vec<EsimOrder>, StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<OrderRow> = on!(&mut reader, c => sqlx::query_as(PENDING).fetch_all(c).await)?;
        orders(rows)
    }

    /// Reads active eSIMs that were not queried since a time, least recently queried first.
    pub async fn esim_orders_stale(
        &self,
        since: Timestamp,
        limit: i64,
    ) -> Result<Vec<EsimOrder>, StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<OrderRow> = on!(&mut reader, c => sqlx::query_as(STALE)
            .bind(to_micros(since)).bind(limit).fetch_all(c).await)?;
        orders(rows)
    }

    /// Finds the order by one of the upstream's names: its order number, its eSIM's number, the card's ICCID.
    pub async fn esim_order_named(&self, name: &str) -> Result<Option<i64>, StoreError> {
        let mut reader = self.reader().await?;
        let row: Option<(i64,)> =
            on!(&mut reader, c => sqlx::query_as(NAMED).bind(name).fetch_optional(c).await)?;
        Ok(row.map(|(id,)| id))
    }

    /// Reads the activation code of the order whose QR code has this name.
    pub async fn esim_activation_code(&self, qr_token: &str) -> Result<Option<String>, StoreError> {
        let mut reader = self.reader().await?;
        let row: Option<(Option<String>,)> =
            on!(&mut reader, c => sqlx::query_as(CODE).bind(qr_token).fetch_optional(c).await)?;
        Ok(row.and_then(|(code,)| code))
    }

    /// Counts the pending orders created before a time.
    pub async fn esim_orders_stuck(&self, made_before: Timestamp) -> Result<i64, StoreError> {
        let mut reader = self.reader().await?;
        let (count,): (i64,) =
            on!(&mut reader, c => sqlx::query_as(STUCK).bind(to_micros(made_before)).fetch_one(c).await)?;
        Ok(count)
    }
}
