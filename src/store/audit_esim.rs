//! Orders of data packages with what the book has of each, for the audit.

use super::{Store, StoreError, on, row};

const ORDERS: &str = include_str!("../../sql/queries/audit_esim_orders.sql");
const STRAYS: &str = include_str!("../../sql/queries/audit_esim_strays.sql");

row! {
    /// An order, its charge and its hold.
    #[derive(Debug)]
    pub(crate) struct EsimOrderFacts {
        pub(crate) id: i64,
        pub(crate) status: String,
        pub(crate) price: i64,
        /// The transaction that the order names.
        pub(crate) tx_id: Option<i64>,
        /// The transaction that was posted in its name.
        pub(crate) posted_tx: Option<i64>,
        /// What its buyer got in that transaction.
        pub(crate) paid: Option<i64>,
        /// What is held of its buyer.
        pub(crate) held: Option<i64>,
        /// Payers of whom something is held.
        pub(crate) holds: i64,
    }
}

impl Store {
    /// The next orders behind an id.
    pub(crate) async fn audit_esim_orders(&self, after: i64) -> Result<Vec<EsimOrderFacts>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(on!(&mut reader, c => sqlx::query_as(ORDERS).bind(after).fetch_all(c).await)?)
    }

    /// Holds and postings for packages that belong to no order.
    pub(crate) async fn audit_esim_strays(&self) -> Result<Vec<(String, String)>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(on!(&mut reader, c => sqlx::query_as(STRAYS).fetch_all(c).await)?)
    }
}
