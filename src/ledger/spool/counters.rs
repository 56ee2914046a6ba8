//! Gauges and counters of the spool.

use std::sync::atomic::AtomicU64;

/// Gauges of the spool, and its counters since it was opened.
#[derive(Debug, Default)]
pub struct SpoolCounters {
    /// Records that wait for the book.
    pub records: AtomicU64,
    /// Bytes of the file, records that the book has by now included.
    pub bytes: AtomicU64,
    /// Records added.
    pub kept: AtomicU64,
    /// Records that the book has taken, or had.
    pub drained: AtomicU64,
    /// Records that the book refused.
    pub refused: AtomicU64,
    /// Records that could not be kept.
    pub failed: AtomicU64,
}
