//! Vouchers, identified by the digest of their code.

use jiff::Timestamp;
use tollgate_rating::Money;

use super::{Store, StoreError, Tx, from_micros, on, row, to_micros};

const BY_DIGEST: &str = include_str!("../../sql/queries/vouchers_by_digest.sql");
const INSERT: &str = include_str!("../../sql/queries/vouchers_insert.sql");
const REDEEM: &str = include_str!("../../sql/queries/vouchers_redeem.sql");

row! {
    struct VoucherRow {
        id: i64,
        amount: i64,
        issuer_id: Option<i64>,
        redeemed_at_us: Option<i64>,
    }
}

/// A voucher as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoucherRecord {
    /// Id of the voucher.
    pub id: i64,
    /// Value of the voucher.
    pub amount: Money,
    /// Reseller whose clients may redeem it; `None` for the operator's direct clients.
    pub issuer_id: Option<i64>,
    /// Time of redemption.
    pub redeemed_at: Option<Timestamp>,
}

/// A voucher to insert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewVoucher {
    /// Id of the voucher.
    pub id: i64,
    /// SHA-256 of its code.
    pub digest: [u8; 32],
    /// Value of the voucher.
    pub amount: Money,
    /// See [`VoucherRecord`].
    pub issuer_id: Option<i64>,
}

impl Tx {
    /// Inserts a voucher.
    pub async fn insert_voucher(&mut self, voucher: &NewVoucher, at: Timestamp) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(INSERT)
            .bind(voucher.id)
            .bind(voucher.digest.as_slice())
            .bind(voucher.amount.nanos())
            .bind(voucher.issuer_id)
            .bind(to_micros(at))
            .execute(c).await.map(drop))?;
        Ok(())
    }

    /// Marks a voucher as redeemed by an account in a ledger transaction; `false` if it was already redeemed.
    pub async fn redeem_voucher(
        &mut self,
        id: i64,
        account_id: i64,
        at: Timestamp,
        tx_id: i64,
    ) -> Result<bool, StoreError> {
        let changed = on!(self, c => sqlx::query(REDEEM)
            .bind(id).bind(account_id).bind(to_micros(at)).bind(tx_id)
            .execute(c).await.map(|done| done.rows_affected()))?;
        Ok(changed == 1)
    }
}

impl Store {
    /// Reads the voucher whose code has this digest.
    pub async fn voucher(&self, digest: &[u8; 32]) -> Result<Option<VoucherRecord>, StoreError> {
        let mut reader = self.reader().await?;
        let row: Option<VoucherRow> = on!(&mut reader, c => sqlx::query_as(BY_DIGEST)
            .bind(digest.as_slice()).fetch_optional(c).await)?;
        Ok(row.map(|row| VoucherRecord {
            id: row.id,
            amount: Money::from_nanos(row.amount),
            issuer_id: row.issuer_id,
            redeemed_at: row.redeemed_at_us.map(from_micros),
        }))
    }
}
