//! The change feed: a list, in the order of commits, of the items that a process with data in memory must read again.

use jiff::Timestamp;

use super::{Reserved, Store, StoreError, Tx, on, row, to_micros};

row! {
    /// A change. The writer defines the meaning of its kind and id.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Change {
        /// Position in the feed: a later commit has a higher one.
        pub position: i64,
        /// Kind of the changed item: `account`, `plan`, `trunk`, …
        pub kind: String,
        /// Id of the changed item.
        pub item_id: i64,
        /// Time in microseconds since the epoch.
        pub at: i64,
    }
}

const APPEND: &str = include_str!("../../sql/queries/feed_append.sql");
const SINCE: &str = include_str!("../../sql/queries/feed_since.sql");

/// Maximum number of changes per read.
const PAGE: i64 = 1_000;

impl Tx {
    /// Appends a change, visible to others when this transaction commits; returns its position.
    ///
    /// Locks the counters' row until then: append last, and commit soon.
    pub async fn append_feed(&mut self, kind: &str, item_id: i64, at: Timestamp) -> Result<i64, StoreError> {
        let position = self.reserve_ids(Reserved { changes: 1, ..Reserved::default() }).await?.changes;
        on!(self, c => sqlx::query(APPEND).bind(position).bind(kind).bind(item_id).bind(to_micros(at)).execute(c).await.map(drop))?;
        Ok(position)
    }
}

impl Store {
    /// Reads the changes after a position, oldest first, at most a thousand: continue from the last one's position.
    pub async fn changes_since(&self, position: i64) -> Result<Vec<Change>, StoreError> {
        let mut reader = self.reader().await?;
        Ok(on!(&mut reader, c => sqlx::query_as(SINCE).bind(position).bind(PAGE).fetch_all(c).await)?)
    }

    /// Returns the newest change's position, from which a process that loads everything continues. Read it before the
    /// rest.
    pub async fn feed_position(&self) -> Result<i64, StoreError> {
        Ok(self.head().await?.feed_position)
    }
}
