//! Monthly partitions of the ledger on `PostgreSQL`, created ahead so that no settlement waits for one.

use jiff::{Timestamp, ToSpan as _, civil, tz::TimeZone};
use sqlx::AssertSqlSafe;

use super::{Session as _, Side, Store, StoreError, to_micros};

/// The tables that grow with every call; each is partitioned by the time of its commit.
const PARTITIONED: [&str; 4] = ["transactions", "entries", "cdrs", "cdr_payers"];
/// Number of months created after the current one: a service that runs for a quarter without a restart still has
/// partitions.
const MONTHS_AHEAD: i32 = 3;

impl Store {
    /// Creates the partitions of this month and the next ones; existing ones are kept.
    ///
    /// A month with rows already in the default partition (the clock was far off) stays there.
    pub async fn make_partitions(&self, now: Timestamp) -> Result<(), StoreError> {
        if !self.is_postgres() {
            return Ok(());
        }
        for (name, from, until) in months(now) {
            for table in PARTITIONED {
                self.make_partition(table, &name, from, until).await?;
            }
        }
        Ok(())
    }

    async fn make_partition(
        &self,
        table: &str,
        month: &str,
        from: i64,
        until: i64,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin_schema_change().await?;
        let Side::Postgres(connection) = tx.side() else { return Ok(()) };
        let exists: (bool,) = sqlx::query_as("SELECT to_regclass($1) IS NOT NULL")
            .bind(format!("{table}_{month}"))
            .fetch_one(&mut *connection)
            .await?;
        if exists.0 {
            return tx.rollback().await;
        }
        // Safe to format: the names and bounds are a table of the list above and digits of a date.
        let text = format!(
            "CREATE TABLE IF NOT EXISTS {table}_{month} PARTITION OF {table} FOR VALUES FROM ({from}) TO ({until})"
        );
        match sqlx::query(AssertSqlSafe(text)).execute(connection).await {
            Ok(_) => tx.commit().await,
            Err(sqlx::Error::Database(refusal)) if refusal.is_check_violation() => {
                tracing::warn!(table, month, "this month's rows are in the default partition and stay there");
                tx.rollback().await
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Returns the names and bounds (microseconds, the second exclusive) of the months from this one on, in UTC.
fn months(now: Timestamp) -> Vec<(String, i64, i64)> {
    let first = now.to_zoned(TimeZone::UTC).date().first_of_month();
    (0..=MONTHS_AHEAD)
        .filter_map(|ahead| {
            let month = first.checked_add(ahead.months()).ok()?;
            let next = month.checked_add(1.month()).ok()?;
            Some((format!("y{:04}m{:02}", month.year(), month.month()), start(month)?, start(next)?))
        })
        .collect()
}

fn start(date: civil::Date) -> Option<i64> {
    Some(to_micros(date.to_zoned(TimeZone::UTC).ok()?.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_meet_without_gap_across_the_year() {
        let now: Timestamp = "2026-11-30T23:59:59Z".parse().unwrap();
        let months = months(now);
        let names: Vec<_> = months.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(names, ["y2026m11", "y2026m12", "y2027m01", "y2027m02"]);
        assert!(months.windows(2).all(|pair| pair[0].2 == pair[1].1));
        assert!(months[0].1 <= to_micros(now) && to_micros(now) < months[0].2);
    }
}
