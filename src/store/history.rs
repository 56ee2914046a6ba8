//! History of an account: its calls and refills, newest first.

use super::{Store, StoreError, on, row};

const CALLS: &str = include_str!("../../sql/queries/calls_of_account.sql");
const CALL_COUNT: &str = include_str!("../../sql/queries/calls_of_account_count.sql");
const CALLS_WHICH: &str = include_str!("../../sql/queries/calls_of_account_which.sql");
const CALL_COUNT_WHICH: &str = include_str!("../../sql/queries/calls_of_account_which_count.sql");
const REFILLS: &str = include_str!("../../sql/queries/refills_of_account.sql");
const REFILL_COUNT: &str = include_str!("../../sql/queries/refills_of_account_count.sql");

row! {
    /// A call as shown to an account that paid for it: its own charge, without the trunk and the accounts above.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct OwnCall {
        /// Id of the record.
        pub id: i64,
        /// The channel's unique id.
        pub unique_id: String,
        /// Time of authorization or refusal in microseconds since the epoch.
        pub setup_at: i64,
        /// Number of the caller.
        pub caller: String,
        /// Digits as dialled.
        pub dialled: String,
        /// Number that was rated.
        pub number: Option<String>,
        /// Name of the destination in the account's deck.
        pub destination: Option<String>,
        /// Disposition of the call.
        pub disposition: String,
        /// Machine code of the refusal.
        pub refused_reason: Option<String>,
        /// Hangup cause (Q.850).
        pub hangup_cause: Option<i64>,
        /// Answered duration in milliseconds.
        pub answered_ms: i64,
        /// Matching prefix.
        pub prefix: Option<String>,
        /// The account's price per minute in nano-units.
        pub price: Option<i64>,
        /// Billed seconds.
        pub billed_seconds: i64,
        /// The account's charge in nano-units.
        pub charge: i64,
    }
}

row! {
    /// A credit to an account without a call.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Refill {
        /// Id of the entry.
        pub id: i64,
        /// Time in microseconds since the epoch.
        pub at: i64,
        /// Kind of the posting.
        pub kind: String,
        /// Amount in nano-units.
        pub amount: i64,
        /// Note of the posting.
        pub note: Option<String>,
    }
}

/// Filter for an account's calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All calls.
    All,
    /// Answered calls.
    Answered,
    /// Unanswered calls.
    Unanswered,
}

impl Which {
    /// Returns the value that the queries compare; `None` for no comparison.
    const fn answered(self) -> Option<i64> {
        match self {
            Self::All => None,
            Self::Answered => Some(1),
            Self::Unanswered => Some(0),
        }
    }
}

impl Store {
    /// Reads a page of an account's calls, and their total number.
    pub async fn calls_of(
        &self,
        account_id: i64,
        which: Which,
        limit: i64,
        offset: i64,
    ) -> Result<(Vec<OwnCall>, i64), StoreError> {
        let mut reader = self.reader().await?;
        let Some(answered) = which.answered() else {
            let calls = on!(&mut reader, c => sqlx::query_as(CALLS)
                .bind(account_id).bind(limit).bind(offset).fetch_all(c).await)?;
            let (count,): (i64,) =
                on!(&mut reader, c => sqlx::query_as(CALL_COUNT).bind(account_id).fetch_one(c).await)?;
            return Ok((calls, count));
        };
        let calls = on!(&mut reader, c => sqlx::query_as(CALLS_WHICH)
            .bind(account_id).bind(limit).bind(offset).bind(answered).fetch_all(c).await)?;
        let (count,): (i64,) = on!(&mut reader, c => sqlx::query_as(CALL_COUNT_WHICH)
            .bind(account_id).bind(answered).fetch_one(c).await)?;
        Ok((calls, count))
    }

    /// Reads a page of an account's refills, and their total number.
    pub async fn refills_of(
        &self,
        account_id: i64,
        limit: i64,
        offset: i64,
    ) -> Result<(Vec<Refill>, i64), StoreError> {
        let mut reader = self.reader().await?;
        let refills = on!(&mut reader, c => sqlx::query_as(REFILLS)
            .bind(account_id).bind(limit).bind(offset).fetch_all(c).await)?;
        let (count,): (i64,) =
            on!(&mut reader, c => sqlx::query_as(REFILL_COUNT).bind(account_id).fetch_one(c).await)?;
        Ok((refills, count))
    }
}
