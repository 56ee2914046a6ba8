//! A recorded call, read back.

use super::cdr::CallKey;
use super::{Store, StoreError, on, row, to_micros};

const CALL: &str = include_str!("../../sql/queries/cdr_of_call.sql");
const COUNT_SINCE: &str = include_str!("../../sql/queries/cdr_count_since.sql");
const PAYERS: &str = include_str!("../../sql/queries/cdr_payers_of.sql");

row! {
    /// What a call's record says of its money; prices and amounts in nano-units.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct CdrView {
        /// Its id.
        pub id: i64,
        /// When it was authorised, in microseconds since the epoch: two calls of one unique id differ in it.
        pub setup_at: i64,
        /// The number called.
        pub number: Option<String>,
        /// Its name.
        pub destination: Option<String>,
        /// How it ended.
        pub disposition: String,
        /// The real duration.
        pub answered_ms: i64,
        /// What the payers were charged for.
        pub charged_ms: i64,
        /// The carrier.
        pub trunk_name: Option<String>,
        /// The prefix in the carrier's deck.
        pub buy_prefix: Option<String>,
        /// The carrier's price a minute.
        pub buy_price: Option<i64>,
        /// What the carrier bills.
        pub buy_billed_seconds: Option<i64>,
        /// The carrier's cost.
        pub buy_cost: Option<i64>,
        /// What is left of what the top of the chain paid.
        pub margin: i64,
    }
}

row! {
    /// One payer's part of a recorded call.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct CdrPayerView {
        /// Who paid.
        pub account_id: i64,
        /// The prefix that matched.
        pub prefix: Option<String>,
        /// The price a minute, nano-units.
        pub price: Option<i64>,
        /// Seconds billed.
        pub billed_seconds: i64,
        /// What was taken, nano-units.
        pub charge: i64,
    }
}

impl Store {
    /// The record of a call, with its payers, the client first.
    pub async fn call_record(
        &self,
        key: &CallKey,
    ) -> Result<Option<(CdrView, Vec<CdrPayerView>)>, StoreError> {
        let mut reader = self.reader().await?;
        let call: Option<CdrView> = on!(&mut reader, c => sqlx::query_as(CALL)
            .bind(&key.server)
            .bind(&key.unique_id)
            .bind(i64::from(key.leg))
            .fetch_optional(c).await)?;
        let Some(call) = call else { return Ok(None) };
        let payers: Vec<CdrPayerView> =
            on!(&mut reader, c => sqlx::query_as(PAYERS).bind(call.id).fetch_all(c).await)?;
        Ok(Some((call, payers)))
    }
    /// How many calls of an account began since a moment, answered or not; what was refused is none.
    pub async fn calls_since(&self, account_id: i64, since: jiff::Timestamp) -> Result<i64, StoreError> {
        let mut reader = self.reader().await?;
        let (calls,): (i64,) = on!(&mut reader, c =>
            sqlx::query_as(COUNT_SINCE).bind(account_id).bind(to_micros(since)).fetch_one(c).await)?;
        Ok(calls)
    }
}
