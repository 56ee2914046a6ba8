//! Reads eSIM orders with their ledger rows, for the audit.

use crate::store::{Store, StoreError, on, row};

const ORDERS: &str = include_str!("../../../sql/queries/audit_esim_orders.sql");
const STRAYS: &str = include_str!("../../../sql/queries/audit_esim_strays.sql");

row! {
    /// An order joined with one of its facts: a payer, its posting, an entry of the posting, or a hold.
    #[derive(Debug)]
    pub(crate) struct EsimOrderFact {
        pub(crate) id: i64,
        pub(crate) status: String,
        pub(crate) price: i64,
        /// Amount paid by each reseller above the buyer.
        pub(crate) wholesale: i64,
        /// Transaction recorded in the order.
        pub(crate) tx_id: Option<i64>,
        /// `payer`, `posted`, `entry` or `held`.
        pub(crate) what: String,
        /// Distance of a payer from the buyer, or position of a hold.
        pub(crate) place: i64,
        pub(crate) account_id: i64,
        /// Amount of an entry or a hold; for a posting, its transaction id.
        pub(crate) amount: i64,
    }
}

impl Store {
    /// Reads all facts of the next orders after an id. Each order has at least its buyer, and its facts are adjacent.
    pub(crate) async fn audit_esim_orders(&self, after: i64) -> Result<Vec<EsimOrderFact>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(on!(&mut reader, c => sqlx::query_as(ORDERS).bind(after).fetch_all(c).await)?)
    }

    /// Reads holds, postings and transactions for packages that belong to no order.
    pub(crate) async fn audit_esim_strays(&self) -> Result<Vec<(String, String)>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(on!(&mut reader, c => sqlx::query_as(STRAYS).fetch_all(c).await)?)
    }
}
