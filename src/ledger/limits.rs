//! Bounds of the ledger.

use std::time::Duration;

/// Bounds of the ledger, each with a decision for what is beyond it.
#[derive(Clone, Copy, Debug)]
pub struct LedgerLimits {
    /// Settlements, voids and postings that wait to be written; more callers wait outside.
    pub queue: usize,
    /// The most of them in one transaction: bounds how long one commit can take.
    pub batch: usize,
    /// Opened calls that wait to be journalled; more are dropped and counted (the ticket is on the channel anyway).
    pub opened: usize,
    /// Refused calls of one source and minute that get a CDR; more are counted.
    pub refused_per_source: u32,
    /// Refused calls of one source and day that get a CDR; more are counted.
    pub refused_per_source_day: u32,
    /// Refused calls of a day that get a CDR, and counts of a day that name their source; more are counted together.
    pub refused_per_day: u32,
    /// Sources that are told apart within a minute; more are counted together.
    pub sources: usize,
    /// Refused calls that wait for their CDR; more are counted.
    pub refused_waiting: usize,
    /// How long an unavailable database is tried again before callers get an error.
    pub patience: Duration,
    /// How long a call's opening waits for others to be journalled with it, unless something else is written sooner: a
    /// commit for every few would cost as much as authorising them. What a crash loses meanwhile is the hold's record,
    /// not the call: its ticket is on the channel.
    pub gather: Duration,
    /// How often refusals and openings are written when nothing else is.
    pub idle_flush: Duration,
    /// Entries between checkpoints: start-up sums at most about so many.
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
