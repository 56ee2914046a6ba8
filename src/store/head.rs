//! The counters' row: ids and feed positions that follow the order of commits, on both databases.
//!
//! A sequence hands out numbers before the commit, so a reader who has seen 8 can miss a 7 that commits later.
//! Here the row stays locked from the hand-out to the commit: whoever sees 8 sees everything below it.
//! Numbers may be left out (a batch reserves the most it may need), never come back or out of order.

use super::{Session, Store, StoreError, Tx, on, row};

row! {
    /// Where the counters stand: the last ids that were handed out.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Head {
        /// The newest transaction's id.
        pub transaction_id: i64,
        /// The newest entry's id.
        pub entry_id: i64,
        /// The newest CDR's id.
        pub cdr_id: i64,
        /// The newest change's position.
        pub feed_position: i64,
        /// The entry that every checkpoint includes.
        pub checkpoint_entry: i64,
        /// Starts of a ledger on this database.
        pub runs: i64,
    }
}

/// How many ids a transaction may need, or the first of those that it got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reserved {
    /// Of transactions.
    pub transactions: i64,
    /// Of entries.
    pub entries: i64,
    /// Of CDRs.
    pub cdrs: i64,
    /// Of changes.
    pub changes: i64,
}

const RESERVE: &str = include_str!("../../sql/queries/head_reserve.sql");
const READ: &str = include_str!("../../sql/queries/head_read.sql");
const RUN: &str = include_str!("../../sql/queries/head_run.sql");

impl Tx {
    /// Locks the counters' row until the transaction ends and hands out that many ids of each sort: returns the first of each.
    ///
    /// Take it before any other lock that another writer could hold, so that no two wait for each other.
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
    /// Where the counters stand. Everything up to there is committed and visible.
    pub async fn head(&self) -> Result<Head, StoreError> {
        read_head(&mut self.reader().await?).await
    }

    /// Counts one more start of a ledger: a number that no other start has.
    pub async fn count_run(&self) -> Result<i64, StoreError> {
        let mut tx = self.begin().await?;
        let (run,): (i64,) = on!(&mut tx, c => sqlx::query_as(RUN).fetch_one(c).await)?;
        tx.commit().await?;
        Ok(run)
    }
}

/// Where the counters stand, as this session sees it.
pub(super) async fn read_head(session: &mut impl Session) -> Result<Head, StoreError> {
    Ok(on!(session, c => sqlx::query_as(READ).fetch_one(c).await)?)
}
