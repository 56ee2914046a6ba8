//! Limits of the ledger.

use std::time::Duration;

/// Limits of the ledger, each with a defined behaviour beyond it.
#[derive(Clone, Copy, Debug)]
pub struct LedgerLimits {
    /// Maximum settlements, voids and postings waiting to be written; further callers wait.
    pub queue: usize,
    /// Maximum of these in one transaction: bounds the duration of one commit.
    pub batch: usize,
    /// Maximum opened calls waiting to be journalled; further ones are dropped and counted (the ticket is on the
    /// channel anyway).
    pub opened: usize,
    /// Maximum refused calls per source and minute with a CDR; further ones are counted.
    pub refused_per_source: u32,
    /// Maximum refused calls per source and day with a CDR; further ones are counted.
    pub refused_per_source_day: u32,
    /// Maximum refused calls per day with a CDR, and counts per day that name their source; further ones are counted
    /// together.
    pub refused_per_day: u32,
    /// Maximum sources distinguished within a minute; further ones are counted together.
    pub sources: usize,
    /// Maximum refused calls waiting for their CDR; further ones are counted.
    pub refused_waiting: usize,
    /// How long the writer retries an unavailable database before callers get an error.
    pub patience: Duration,
    /// How long a call's opening waits to be journalled together with others, unless something else is written sooner:
    /// a commit for every few openings would cost as much as authorizing the calls. A crash meanwhile loses the hold's
    /// record, not the call: its ticket is on the channel.
    pub gather: Duration,
    /// Interval at which refusals and openings are written when nothing else is.
    pub idle_flush: Duration,
    /// Number of entries between checkpoints: start-up sums at most about this many.
    pub checkpoint_entries: usize,
}

impl Default for LedgerLimits {
    fn default() -> Self {
        Self {
            queue: 8_192,
            batch: 512,
            opened: 65_536,
            refused_per_source: 10,
            refused_per_source_day: 500,
            refused_per_day: 20_000,
            sources: 10_000,
            refused_waiting: 4_096,
            patience: Duration::from_secs(5),
            gather: Duration::from_millis(10),
            idle_flush: Duration::from_millis(200),
            checkpoint_entries: 50_000,
        }
    }
}
