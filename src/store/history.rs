//! What an account did and got: its calls, its refills. Newest first.

use super::{Store, StoreError, on, row};

const CALLS: &str = include_str!("../../sql/queries/calls_of_account.sql");
const CALL_COUNT: &str = include_str!("../../sql/queries/calls_of_account_count.sql");
const CALLS_WHICH: &str = include_str!("../../sql/queries/calls_of_account_which.sql");
const CALL_COUNT_WHICH: &str = include_str!("../../sql/queries/calls_of_account_which_count.sql");
const REFILLS: &str = include_str!("../../sql/queries/refills_of_account.sql");
const REFILL_COUNT: &str = include_str!("../../sql/queries/refills_of_account_count.sql");

row! {
    /// A call as the account that paid for it may see it: its own part of the money, nothing of the trunk or of whoever
    /// is above it.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct OwnCall {
        /// The record's id.
        pub id: i64,
        /// The channel's unique id.
        pub unique_id: String,
        /// When it was authorised or refused, in microseconds since the epoch.
        pub setup_at: i64,
        /// The caller's number.
        pub caller: String,
        /// The digits as dialled.
        pub dialled: String,
        /// The number that was rated.
        pub number: Option<String>,
        /// Its name in the account's deck.
        pub destination: Option<String>,
        /// How it ended.
        pub disposition: String,
        /// The machine code of the refusal.
        pub refused_reason: Option<String>,
        /// Q.850.
        pub hangup_cause: Option<i64>,
        /// How long it was answered.
        pub answered_ms: i64,
        /// The prefix that matched.
        pub prefix: Option<String>,
        /// The account's price a minute, nano-units.
        pub price: Option<i64>,
        /// Seconds billed.
        pub billed_seconds: i64,
        /// What it cost the account, nano-units.
        pub charge: i64,
    }
}

row! {
    /// Money that came into an account without a call.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Refill {
        /// The entry's id.
        pub id: i64,
        /// When, in microseconds since the epoch.
        pub at: i64,
        /// The posting's kind.
        pub kind: String,
        /// How much, nano-units.
        pub amount: i64,
        /// What was noted with it.
        pub note: Option<String>,
    }
}

/// Which calls of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// Those that somebody answered.
    Answered,
    /// The others.
    Unanswered,
}

impl Which {
    /// As the queries of one sort compare it; none where there is nothing to compare.
    const fn answered(self) -> Option<i64> {
        match self {
            Self::All => None,
            Self::Answered => Some(1),
            Self::Unanswered => Some(0),
        }
    }
}

impl Store {
    /// Some of an account's calls, and how many there are.
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

    /// Some of an account's refills, and how many there are.
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
