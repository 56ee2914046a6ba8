//! Spending days that began under an account's former plans.

use jiff::Timestamp;
use tollgate_rating::credit::Day;

use super::{Store, StoreError, Tx, on, row, to_micros};

const OF: &str = include_str!("../../sql/queries/spending_days_of.sql");
const KEEP: &str = include_str!("../../sql/queries/spending_days_keep.sql");
const FORGET: &str = include_str!("../../sql/queries/spending_days_forget.sql");
const MICROS: i64 = 1_000_000;

row! {
    struct DayRow {
        since_us: i64,
        until_us: i64,
    }
}

impl Tx {
    /// Stores a spending day in progress of an account, and deletes days that are over.
    pub async fn keep_spending_day(
        &mut self,
        account_id: i64,
        day: Day,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(FORGET).bind(account_id).bind(to_micros(now)).execute(c).await.map(drop))?;
        on!(self, c => sqlx::query(KEEP)
            .bind(account_id)
            .bind(day.start_s().saturating_mul(MICROS))
            .bind(day.end_s().saturating_mul(MICROS))
            .execute(c).await.map(drop))?;
        Ok(())
    }
}

impl Store {
    /// Reads an account's stored days that are not over.
    pub async fn spending_days_of(&self, account_id: i64, now: Timestamp) -> Result<Vec<Day>, StoreError> {
        let mut reader = self.reader().await?;
        let rows: Vec<DayRow> = on!(&mut reader, c =>
            sqlx::query_as(OF).bind(account_id).bind(to_micros(now)).fetch_all(c).await)?;
        let at_s = now.as_second();
        let day = |row: DayRow| Day::new(row.since_us / MICROS, row.until_us / MICROS, at_s);
        Ok(rows.into_iter().map(day).collect())
    }
}
