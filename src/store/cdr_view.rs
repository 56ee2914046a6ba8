//! Reads the record of a call.

use super::cdr::CallKey;
use super::{Store, StoreError, on, row, to_micros};

const CALL: &str = include_str!("../../sql/queries/cdr_of_call.sql");
const COUNT_SINCE: &str = include_str!("../../sql/queries/cdr_count_since.sql");
const PAYERS: &str = include_str!("../../sql/queries/cdr_payers_of.sql");

row! {
    /// The financial part of a call's record; prices and amounts in nano-units.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct CdrView {
        /// Id of the CDR.
        pub id: i64,
        /// Time of authorization in microseconds since the epoch: two calls of one unique id differ in it.
        pub setup_at: i64,
        /// Called number.
        pub number: Option<String>,
        /// Name of the destination.
        pub destination: Option<String>,
        /// Disposition of the call.
        pub disposition: String,
        /// Actual duration in milliseconds.
        pub answered_ms: i64,
        /// Duration charged to the payers in milliseconds.
        pub charged_ms: i64,
        /// Name of the carrier's trunk.
        pub trunk_name: Option<String>,
        /// Prefix in the carrier's deck.
        pub buy_prefix: Option<String>,
        /// The carrier's price per minute.
        pub buy_price: Option<i64>,
        /// Seconds billed by the carrier.
        pub buy_billed_seconds: Option<i64>,
        /// The carrier's cost.
        pub buy_cost: Option<i64>,
        /// Margin: the charge at the top of the chain, less the carrier's cost.
        pub margin: i64,
    }
}

row! {
    /// The part of a payer in a recorded call.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct CdrPayerView {
        /// Id of the paying account.
        pub account_id: i64,
        /// Matching prefix.
        pub prefix: Option<String>,
        /// Price per minute in nano-units.
        pub price: Option<i64>,
        /// Billed seconds.
        pub billed_seconds: i64,
        /// Charge in nano-units.
        pub charge: i64,
    }
}

impl Store {
    /// Reads the record of a call with its payers, the client first.
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
    /// Counts the calls of an account since a time, answered or not; refused calls do not count.
    pub async fn calls_since(&self, account_id: i64, since: jiff::Timestamp) -> Result<i64, StoreError> {
        let mut reader = self.reader().await?;
        let (calls,): (i64,) = on!(&mut reader, c =>
            sqlx::query_as(COUNT_SINCE).bind(account_id).bind(to_micros(since)).fetch_one(c).await)?;
        Ok(calls)
    }
}
