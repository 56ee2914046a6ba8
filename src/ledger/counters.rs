//! Counters of the ledger.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of the ledger since it started.
#[derive(Debug, Default)]
pub struct LedgerCounters {
    /// Calls settled.
    pub settled: AtomicU64,
    /// Settlements of calls that had already been settled.
    pub duplicates: AtomicU64,
    /// Postings written.
    pub posted: AtomicU64,
    /// Transactions committed.
    pub batches: AtomicU64,
    /// Rows that the database refused.
    pub refused_rows: AtomicU64,
    /// Batches abandoned because the database was unavailable.
    pub unavailable: AtomicU64,
    /// Call openings not journalled because too many were waiting or another process had become the owner.
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
