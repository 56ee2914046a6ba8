//! The change feed: what a process that holds data in memory must read again, in the order of commits.

use jiff::Timestamp;

use super::{Reserved, Store, StoreError, Tx, on, row, to_micros};

row! {
    /// One change. What a kind means and what its id names is the business of who writes it.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Change {
        /// Its place: a later commit has a higher one.
        pub position: i64,
        /// What sort of thing changed: `account`, `plan`, `trunk`, …
        pub kind: String,
        /// Which one.
        pub item_id: i64,
        /// When, in microseconds since the epoch.
        pub at: i64,
    }
}

const APPEND: &str = include_str!("../../sql/queries/feed_append.sql");
const SINCE: &str = include_str!("../../sql/queries/feed_since.sql");

/// The most changes that one reading returns.
const PAGE: i64 = 1_000;

impl Tx {
    /// Adds a change, seen by others when this transaction commits; returns its position.
    ///
    /// It locks the counters' row until then: append last, and commit soon.
    pub async fn append_feed(&mut self, kind: &str, item_id: i64, at: Timestamp) -> Result<i64, StoreError> {
        let position = self.reserve_ids(Reserved { changes: 1, ..Reserved::default() }).await?.changes;
        on!(self, c => sqlx::query(APPEND).bind(position).bind(kind).bind(item_id).bind(to_micros(at)).execute(c).await.map(drop))?;
        Ok(position)
    }
}

impl Store {
    /// The changes after a position, oldest first, at most a thousand: read again from the last one's position.
    pub async fn changes_since(&self, position: i64) -> Result<Vec<Change>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(on!(&mut reader, c => sqlx::query_as(SINCE).bind(position).bind(PAGE).fetch_all(c).await)?)
    }

    /// The newest change's position: where a process that has just read everything starts from. Read it before the rest.
    pub async fn feed_position(&self) -> Result<i64, StoreError> {
        Ok(self.head().await?.feed_position)
    }
}
