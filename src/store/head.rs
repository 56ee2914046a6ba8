//! The counters' row: ids and feed positions that follow the order of commits, on both databases.
//!
//! A sequence hands out numbers before the commit, so a reader who has seen 8 can miss a 7 that commits later. Here the
//! row stays locked from the hand-out to the commit: a reader that sees 8 sees everything below it. Numbers may be
//! skipped (a batch reserves the maximum it may need), but never recur or go out of order.

use super::{Session, Store, StoreError, Tx, on, row};

row! {
    /// The counters: the last ids that were handed out.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Head {
        /// Id of the newest transaction.
        pub transaction_id: i64,
        /// Id of the newest entry.
        pub entry_id: i64,
        /// Id of the newest CDR.
        pub cdr_id: i64,
        /// Position of the newest change.
        pub feed_position: i64,
        /// Last entry that every checkpoint includes.
        pub checkpoint_entry: i64,
        /// Number of ledger starts on this database.
        pub runs: i64,
    }
}

/// Numbers of ids to reserve, or the first ids reserved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reserved {
    /// Transaction ids.
    pub transactions: i64,
    /// Entry ids.
    pub entries: i64,
    /// CDR ids.
    pub cdrs: i64,
    /// Feed positions.
    pub changes: i64,
}

const RESERVE: &str = include_str!("../../sql/queries/head_reserve.sql");
const READ: &str = include_str!("../../sql/queries/head_read.sql");
const RUN: &str = include_str!("../../sql/queries/head_run.sql");

impl Tx {
    /// Locks the counters' row until the transaction ends and reserves this many ids of each kind: returns the first of
    /// each.
    ///
    /// Acquire it before any lock that another writer could hold, to avoid deadlocks.
    pub async fn reserve_ids(&mut self, count: Reserved) -> Result<Reserved, StoreError> {
        let head: Head = on!(self, c => sqlx::query_as(RESERVE).bind(count.transactions).bind(count.entries)
            .bind(count.cdrs).bind(count.changes).fetch_one(c).await)?;
        Ok(Reserved {
            transactions: head.transaction_id - count.transactions + 1,
            entries: head.entry_id - count.entries + 1,
            cdrs: head.cdr_id - count.cdrs + 1,
            changes: head.feed_position - count.changes + 1,
        })
    }
}

impl Store {
    /// Reads the counters. Everything up to them is committed and visible.
    pub async fn head(&self) -> Result<Head, StoreError> {
        read_head(&mut self.reader().await?).await
    }

    /// Counts one more start of a ledger and returns its unique number.
    pub async fn count_run(&self) -> Result<i64, StoreError> {
        let mut tx = self.begin().await?;
        let (run,): (i64,) = on!(&mut tx, c => sqlx::query_as(RUN).fetch_one(c).await)?;
        tx.commit().await?;
        Ok(run)
    }
}

/// Reads the counters as this session sees them.
pub(super) async fn read_head(session: &mut impl Session) -> Result<Head, StoreError> {
    Ok(on!(session, c => sqlx::query_as(READ).fetch_one(c).await)?)
}
