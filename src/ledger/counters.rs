//! Counters of the ledger.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of the ledger since it started.
#[derive(Debug, Default)]
pub struct LedgerCounters {
    /// Calls settled.
    pub settled: AtomicU64,
    /// Settlements whose call had been settled before.
    pub duplicates: AtomicU64,
    /// Postings written.
    pub posted: AtomicU64,
    /// Transactions committed.
    pub batches: AtomicU64,
    /// Rows that the database refused.
    pub refused_rows: AtomicU64,
    /// Batches given up because the database was away.
    pub unavailable: AtomicU64,
    /// Opened calls that were not journalled because too many waited, or because another process owned by then.
    pub openings_dropped: AtomicU64,
    /// Refused calls with a CDR.
    pub attempts_recorded: AtomicU64,
    /// Refused calls that were only counted.
    pub attempts_counted: AtomicU64,
}

impl LedgerCounters {
    pub(super) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}
