//! Orders of data packages.

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

/// Where an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EsimStatus {
    /// Its price is held; the upstream has given no eSIM yet.
    Pending,
    /// The eSIM is there and was not used.
    Allocated,
    /// It is used.
    InUse,
    /// Its data is used up.
    UsedUp,
    /// Its time is over.
    Expired,
    /// The upstream has taken it back.
    Cancelled,
    /// It was refused; nothing was charged.
    Failed,
}

impl EsimStatus {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Allocated,
        Self::InUse,
        Self::UsedUp,
        Self::Expired,
        Self::Cancelled,
        Self::Failed,
    ];

    /// As it is shown and kept.
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

    /// Read back.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// A new order: pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEsimOrder {
    /// Its id.
    pub id: i64,
    /// Who buys.
    pub account_id: i64,
    /// What.
    pub package_code: String,
    /// Its name at the time.
    pub package_name: String,
    /// What the buyer pays.
    pub price: Money,
    /// What each reseller above the buyer pays.
    pub wholesale: Money,
    /// In this currency.
    pub currency: String,
    /// What the upstream is told that it costs.
    pub cost_e4: i64,
    /// In this currency.
    pub cost_currency: String,
    /// Our name for it with the upstream.
    pub transaction_id: String,
    /// The name of its QR code.
    pub qr_token: String,
    /// When.
    pub created_at: Timestamp,
}

/// What the upstream says of an eSIM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EsimGiven {
    /// Where it is; never pending or failed.
    pub status: EsimStatus,
    /// The upstream's name for it.
    pub tran_no: String,
    /// Its card number.
    pub iccid: String,
    /// What a phone installs it by.
    pub activation_code: String,
    /// Bytes bought.
    pub total_bytes: Option<i64>,
    /// Bytes used.
    pub used_bytes: Option<i64>,
    /// Until when it is good.
    pub expires_at: Option<Timestamp>,
}

/// An order as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EsimOrder {
    /// How it began.
    pub new: NewEsimOrder,
    /// Where it is.
    pub status: EsimStatus,
    /// Why it failed, or what the upstream last said.
    pub reason: Option<String>,
    /// The upstream's number of it.
    pub order_no: Option<String>,
    /// The upstream's name for its eSIM.
    pub tran_no: Option<String>,
    /// The card number.
    pub iccid: Option<String>,
    /// What a phone installs it by.
    pub activation_code: Option<String>,
    /// Bytes bought.
    pub total_bytes: Option<i64>,
    /// Bytes used.
    pub used_bytes: Option<i64>,
    /// Until when it is good.
    pub expires_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When the upstream was last asked.
    pub asked_at: Timestamp,
    /// Its transaction in the book.
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
    /// Adds an order, pending.
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

    /// Where an order is, as this transaction sees it.
    pub async fn esim_order_status(&mut self, id: i64) -> Result<Option<EsimStatus>, StoreError> {
        let row: Option<(String,)> = on!(self, c => sqlx::query_as(STATUS).bind(id).fetch_optional(c).await)?;
        Ok(row.and_then(|(status,)| EsimStatus::parse(&status)))
    }

    /// Writes what a pending order got, with its transaction in the book; `false` where it is not pending any more.
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

    /// Writes that a pending order was refused; `false` where it is not pending any more.
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
    /// Writes the upstream's number of a pending order; `false` where another order has it.
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

    /// Writes what became of an eSIM that was given; `false` where its status is not `before` any more, and nothing is
    /// written over what somebody else has learned meanwhile.
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

    /// Notes what the upstream last said of a pending order that is no answer.
    pub async fn note_esim_order(&self, id: i64, reason: &str) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        on!(&mut tx, c => sqlx::query(NOTED).bind(id).bind(reason).execute(c).await.map(drop))?;
        tx.commit().await
    }

    /// Notes that the upstream was asked about an order.
    pub async fn esim_order_was_asked(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        on!(&mut tx, c => sqlx::query(ASKED).bind(id).bind(to_micros(at)).execute(c).await.map(drop))?;
        tx.commit().await
    }

    /// An order.
    pub async fn esim_order(&self, id: i64) -> Result<Option<EsimOrder>, StoreError> {
        let mut reader = self.reader().await?;
        let row: Option<OrderRow> =
            on!(&mut reader, c => sqlx::query_as(BY_ID).bind(id).fetch_optional(c).await)?;
        row.map(OrderRow::order).transpose()
    }

    /// An account's orders, newest first, and how many there are.
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

    /// Orders of everybody, newest first: of one status where one is said, made up to a moment.
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

    /// The newest order that was charged and whose eSIM was not taken back.
    pub async fn esim_order_newest_charged(&self) -> Result<Option<EsimOrder>, StoreError> {
        let mut reader = self.reader().await?;
        let row: Option<OrderRow> =
            on!(&mut reader, c => sqlx::query_as(NEWEST_CHARGED).fetch_optional(c).await)?;
        row.map(OrderRow::order).transpose()
    }

    /// Every pending order, oldest first.
    pub async fn esim_orders_pending(&self) -> Result<Vec<EsimOrder>, StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<OrderRow> = on!(&mut reader, c => sqlx::query_as(PENDING).fetch_all(c).await)?;
        orders(rows)
    }

    /// eSIMs that live and were not asked about since a moment, the longest ago first.
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

    /// The order that the upstream knows by one of its names: its number, its eSIM's, the card's.
    pub async fn esim_order_named(&self, name: &str) -> Result<Option<i64>, StoreError> {
        let mut reader = self.reader().await?;
        let row: Option<(i64,)> =
            on!(&mut reader, c => sqlx::query_as(NAMED).bind(name).fetch_optional(c).await)?;
        Ok(row.map(|(id,)| id))
    }

    /// The activation code of the order whose QR code has this name.
    pub async fn esim_activation_code(&self, qr_token: &str) -> Result<Option<String>, StoreError> {
        let mut reader = self.reader().await?;
        let row: Option<(Option<String>,)> =
            on!(&mut reader, c => sqlx::query_as(CODE).bind(qr_token).fetch_optional(c).await)?;
        Ok(row.and_then(|(code,)| code))
    }

    /// How many orders made before a moment are pending.
    pub async fn esim_orders_stuck(&self, made_before: Timestamp) -> Result<i64, StoreError> {
        let mut reader = self.reader().await?;
        let (count,): (i64,) =
            on!(&mut reader, c => sqlx::query_as(STUCK).bind(to_micros(made_before)).fetch_one(c).await)?;
        Ok(count)
    }
}
