//! Deletes rows past their retention time, a few of the oldest at once, so that other writers never wait long.

use jiff::Timestamp;

use super::{Store, StoreError, on, to_micros};

const FEED: &str = include_str!("../../sql/queries/feed_prune.sql");
const ANSWERS: &str = include_str!("../../sql/queries/idempotent_answers_prune.sql");
const TRANSFERS: &str = include_str!("../../sql/queries/transfers_prune.sql");
const PAYMENTS: &str = include_str!("../../sql/queries/payments_prune.sql");
const REFUSAL_COUNTS: &str = include_str!("../../sql/queries/refusal_counts_prune.sql");

/// Microseconds per minute, the interval of the counts of refused calls.
const MINUTE_US: i64 = 60_000_000;

/// Kinds of rows with a retention time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    /// Changes that every running process has read long ago.
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
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::Feed,
        Self::IdempotentAnswers,
        Self::FailedTransfers,
        Self::UncreditedPayments,
        Self::RefusalCounts,
    ];
}

impl Store {
    /// Deletes a limited number of rows from before a time, oldest first. Returns the number deleted.
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
