//! Transfers of retail credit from resellers to their clients, including refused ones.

use jiff::Timestamp;
use tollgate_rating::Money;

use super::{Store, StoreError, Tx, from_micros, on, row, to_micros};

const INSERT: &str = include_str!("../../sql/queries/transfers_insert.sql");
const OF: &str = include_str!("../../sql/queries/transfers_of.sql");
const LIST: &str = include_str!("../../sql/queries/transfers_list.sql");
const FAILED_COUNT: &str = include_str!("../../sql/queries/transfers_failed_count.sql");
const COUNT: &str = include_str!("../../sql/queries/transfers_count.sql");
const SUCCESS: &str = "success";
const FAILED: &str = "failed";

/// Result of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferEnd {
    /// The client was credited.
    Success {
        /// Balance of the client afterwards.
        client_balance: Money,
    },
    /// The transfer was refused.
    Failed {
        /// Machine code of the reason.
        reason: String,
    },
}

/// Filter for transfers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferFilter {
    /// All transfers.
    All,
    /// Successful transfers.
    Success,
    /// Refused transfers.
    Failed,
}

impl TransferFilter {
    /// Returns the value of the column; `None` for all.
    const fn text(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Success => SUCCESS,
            Self::Failed => FAILED,
        }
    }
}

/// A transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferRecord {
    /// Id of its ledger transaction; for a refused transfer a separate number of the same sequence.
    pub id: i64,
    /// Id of the reseller.
    pub reseller_id: i64,
    /// The reseller's reference of the transfer.
    pub external_id: String,
    /// Login of the client.
    pub login: String,
    /// Amount of the transfer.
    pub amount: Money,
    /// Result of the transfer.
    pub end: TransferEnd,
    /// Time of the transfer.
    pub created_at: Timestamp,
}

row! {
    struct TransferRow {
        id: i64,
        reseller_id: i64,
        external_id: String,
        login: String,
        amount: i64,
        reason: Option<String>,
        client_balance: Option<i64>,
        created_at_us: i64,
    }
}

impl TransferRow {
    fn record(self) -> TransferRecord {
        let end = match self.client_balance {
            Some(nanos) => TransferEnd::Success { client_balance: Money::from_nanos(nanos) },
            None => TransferEnd::Failed { reason: self.reason.unwrap_or_default() },
        };
        TransferRecord {
            id: self.id,
            reseller_id: self.reseller_id,
            external_id: self.external_id,
            login: self.login,
            amount: Money::from_nanos(self.amount),
            end,
            created_at: from_micros(self.created_at_us),
        }
    }
}

impl Tx {
    /// Counts a reseller's stored refused transfers.
    pub async fn count_failed_transfers(&mut self, reseller_id: i64) -> Result<i64, StoreError> {
        let (count,): (i64,) =
            on!(self, c => sqlx::query_as(FAILED_COUNT).bind(reseller_id).fetch_one(c).await)?;
        Ok(count)
    }

    /// Inserts a transfer.
    pub async fn insert_transfer(&mut self, transfer: &TransferRecord) -> Result<(), StoreError> {
        let (status, reason, balance) = match &transfer.end {
            TransferEnd::Success { client_balance } => (SUCCESS, None, Some(client_balance.nanos())),
            TransferEnd::Failed { reason } => (FAILED, Some(reason.as_str()), None),
        };
        on!(self, c => sqlx::query(INSERT)
            .bind(transfer.id)
            .bind(transfer.reseller_id)
            .bind(&transfer.external_id)
            .bind(&transfer.login)
            .bind(transfer.amount.nanos())
            .bind(status)
            .bind(reason)
            .bind(balance)
            .bind(to_micros(transfer.created_at))
            .execute(c).await.map(drop))?;
        Ok(())
    }
}

impl Store {
    /// Reads the successful transfer with this reference of a reseller.
    pub async fn transfer_of(
        &self,
        reseller_id: i64,
        external_id: &str,
    ) -> Result<Option<TransferRecord>, StoreError> {
        let mut reader = self.reader().await?;
        let row: Option<TransferRow> = on!(&mut reader, c =>
            sqlx::query_as(OF).bind(reseller_id).bind(external_id).fetch_optional(c).await)?;
        Ok(row.map(TransferRow::record))
    }

    /// Reads a reseller's transfers, newest first, and their total number.
    pub async fn transfers(
        &self,
        reseller_id: i64,
        filter: TransferFilter,
        limit: i64,
        offset: i64,
    ) -> Result<(Vec<TransferRecord>, i64), StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<TransferRow> = on!(&mut reader, c => sqlx::query_as(LIST).bind(reseller_id)
            .bind(filter.text()).bind(limit).bind(offset).fetch_all(c).await)?;
        let (total,): (i64,) = on!(&mut reader, c =>
            sqlx::query_as(COUNT).bind(reseller_id).bind(filter.text()).fetch_one(c).await)?;
        Ok((rows.into_iter().map(TransferRow::record).collect(), total))
    }
}
