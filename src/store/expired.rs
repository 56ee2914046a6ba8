//! Rows that are kept for a time: some of the oldest are deleted at once, so that other writers never wait long.

use jiff::Timestamp;

use super::{Store, StoreError, on, to_micros};

const FEED: &str = include_str!("../../sql/queries/feed_prune.sql");
const ANSWERS: &str = include_str!("../../sql/queries/idempotent_answers_prune.sql");
const TRANSFERS: &str = include_str!("../../sql/queries/transfers_prune.sql");
const PAYMENTS: &str = include_str!("../../sql/queries/payments_prune.sql");
const REFUSAL_COUNTS: &str = include_str!("../../sql/queries/refusal_counts_prune.sql");

/// Microseconds of the minutes that refused calls are counted by.
const MINUTE_US: i64 = 60_000_000;

/// Rows that are kept for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    /// Changes that every running process has long read.
    Feed,
    /// Answers to requests with an `Idempotency-Key`.
    IdempotentAnswers,
    /// Refused transfers.
    FailedTransfers,
    /// Payments that were not credited.
    UncreditedPayments,
    /// Counts of refused calls.
    RefusalCounts,
}

impl Expired {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Feed,
        Self::IdempotentAnswers,
        Self::FailedTransfers,
        Self::UncreditedPayments,
        Self::RefusalCounts,
    ];
}

impl Store {
    /// Deletes at most so many rows from before a time, the oldest first. Returns how many.
    pub async fn delete_expired(
        &self,
        expired: Expired,
        before: Timestamp,
        most: i64,
    ) -> Result<u64, StoreError> {
        let (text, before) = match expired {
            Expired::Feed => (FEED, to_micros(before)),
            Expired::IdempotentAnswers => (ANSWERS, to_micros(before)),
            Expired::FailedTransfers => (TRANSFERS, to_micros(before)),
            Expired::UncreditedPayments => (PAYMENTS, to_micros(before)),
            Expired::RefusalCounts => (REFUSAL_COUNTS, to_micros(before).div_euclid(MINUTE_US)),
        };
        let mut tx = self.begin().await?;
        let deleted = on!(&mut tx, c => sqlx::query(text).bind(before).bind(most).execute(c).await
            .map(|done| done.rows_affected()))?;
        tx.commit().await?;
        Ok(deleted)
    }
}
