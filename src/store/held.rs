//! Holds without a call: a row per payer, under the reference of the hold's purpose.
//!
//! The rows are the authority on held credit; wallets in memory follow them. A payer with a zero part has no row.

use jiff::Timestamp;
use tollgate_rating::Money;

use super::{Store, StoreError, Tx, on, row, to_micros};

const INSERT: &str = include_str!("../../sql/queries/held_insert.sql");
const TAKE: &str = include_str!("../../sql/queries/held_take.sql");
const SWEEP: &str = include_str!("../../sql/queries/held_sweep.sql");
const SUMS: &str = include_str!("../../sql/queries/held_sums.sql");
const OF_REFERENCE: &str = include_str!("../../sql/queries/held_of_reference.sql");
const DELETE: &str = include_str!("../../sql/queries/held_delete.sql");
const OF_ACCOUNT: &str = include_str!("../../sql/queries/held_of_account.sql");

row! {
    struct SumRow {
        account_id: i64,
        amount: i64,
    }
}

impl Tx {
    /// Holds credit of each payer under a reference, in order.
    pub async fn hold_credit(
        &mut self,
        reference: &str,
        kind: &str,
        shares: &[(i64, Money)],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        for (position, (account_id, amount)) in (1_i64..).zip(shares) {
            if *amount != Money::ZERO {
                on!(self, c => sqlx::query(INSERT).bind(reference).bind(position).bind(account_id)
                    .bind(amount.nanos()).bind(kind).bind(to_micros(at)).execute(c).await.map(drop))?;
            }
        }
        Ok(())
    }

    /// Reduces a hold by an amount of each payer, in the order of the hold; rows at zero are deleted. `false` if less
    /// is held: then the transaction must not be committed.
    pub async fn take_held(&mut self, reference: &str, amounts: &[Money]) -> Result<bool, StoreError> {
        for (position, amount) in (1_i64..).zip(amounts) {
            if *amount == Money::ZERO {
                continue;
            }
            let rows = on!(self, c => sqlx::query(TAKE).bind(reference).bind(position).bind(amount.nanos())
                .execute(c).await.map(|done| done.rows_affected()))?;
            if rows != 1 {
                return Ok(false);
            }
        }
        on!(self, c => sqlx::query(SWEEP).bind(reference).execute(c).await.map(drop))?;
        Ok(true)
    }

    /// Deletes a hold and returns its accounts and amounts, in the order of the payer chain.
    pub(super) async fn delete_hold(&mut self, reference: &str) -> Result<Vec<(i64, Money)>, StoreError> {
        let rows: Vec<SumRow> =
            on!(self, c => sqlx::query_as(OF_REFERENCE).bind(reference).fetch_all(c).await)?;
        on!(self, c => sqlx::query(DELETE).bind(reference).execute(c).await.map(drop))?;
        Ok(rows.into_iter().map(|row| (row.account_id, Money::from_nanos(row.amount))).collect())
    }
}

impl Store {
    /// Reads the total held of each account with holds.
    pub async fn held_sums(&self) -> Result<Vec<(i64, Money)>, StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<SumRow> = on!(&mut reader, c => sqlx::query_as(SUMS).fetch_all(c).await)?;
        Ok(rows.into_iter().map(|row| (row.account_id, Money::from_nanos(row.amount))).collect())
    }

    /// Reads the total held of an account.
    pub async fn held_of(&self, account_id: i64) -> Result<Money, StoreError> {
        let mut reader = self.reader().await?;
        let (sum,): (i64,) =
            on!(&mut reader, c => sqlx::query_as(OF_ACCOUNT).bind(account_id).fetch_one(c).await)?;
        Ok(Money::from_nanos(sum))
    }
}
