//! Orders of data packages with what the book has of each, for the audit.

use crate::store::{Store, StoreError, on, row};

const ORDERS: &str = include_str!("../../../sql/queries/audit_esim_orders.sql");
const STRAYS: &str = include_str!("../../../sql/queries/audit_esim_strays.sql");

row! {
    /// An order and one thing that is known of it: a payer, its posting, an entry of that, or a hold.
    #[derive(Debug)]
    pub(crate) struct EsimOrderFact {
        pub(crate) id: i64,
        pub(crate) status: String,
        pub(crate) price: i64,
        /// What each reseller above the buyer pays.
        pub(crate) wholesale: i64,
        /// The transaction that the order names.
        pub(crate) tx_id: Option<i64>,
        /// `payer`, `posted`, `entry` or `held`.
        pub(crate) what: String,
        /// A payer's distance from the buyer, a hold's position.
        pub(crate) place: i64,
        pub(crate) account_id: i64,
        /// Of an entry or a hold; of a posting its transaction.
        pub(crate) amount: i64,
    }
}

impl Store {
    /// Everything of the next orders behind an id. Each has at least its buyer, and the facts of one stand together.
    pub(crate) async fn audit_esim_orders(&self, after: i64) -> Result<Vec<EsimOrderFact>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(on!(&mut reader, c => sqlx::query_as(ORDERS).bind(after).fetch_all(c).await)?)
    }

    /// Holds, postings and transactions for packages that belong to no order.
    pub(crate) async fn audit_esim_strays(&self) -> Result<Vec<(String, String)>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(on!(&mut reader, c => sqlx::query_as(STRAYS).fetch_all(c).await)?)
    }
}
