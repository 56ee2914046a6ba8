//! Gauges and counters of the spool.

use std::sync::atomic::AtomicU64;

/// Gauges of the spool, and its counters since it was opened.
#[derive(Debug, Default)]
pub struct SpoolCounters {
    /// Records waiting for the ledger.
    pub records: AtomicU64,
    /// Size of the file in bytes, including records that the ledger already has.
    pub bytes: AtomicU64,
    /// Records added.
    pub kept: AtomicU64,
    /// Records that the ledger accepted or already had.
    pub drained: AtomicU64,
    /// Records that the ledger refused.
    pub refused: AtomicU64,
    /// Records that could not be kept.
    pub failed: AtomicU64,
}
