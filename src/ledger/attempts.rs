//! Refused calls under a flood: the first few of a source get a CDR, the others are counted, and memory is bounded.

use std::{
    collections::{HashMap, hash_map::Entry},
    mem,
};

use super::LedgerLimits;
use crate::store::{attempts::RefusalCount, cdr::RefusedAttempt};

/// Who is counted when too many are calling to be told apart.
const EVERYBODY: &str = "*";
/// Reasons are our own machine codes, a dozen; anything longer is not one.
const MAX_REASON_BYTES: usize = 32;

/// Counts by source, reason and minute.
type Counts = HashMap<(String, String, i64), i64>;

/// What waits to be written.
#[derive(Debug, Default)]
pub(super) struct TakenAttempts {
    pub(super) recorded: Vec<RefusedAttempt>,
    pub(super) counted: Vec<RefusalCount>,
}

impl TakenAttempts {
    pub(super) fn is_empty(&self) -> bool {
        self.recorded.is_empty() && self.counted.is_empty()
    }
}

/// Refused calls since the writer last came by, and how many CDRs each source has had this minute.
#[derive(Debug)]
pub(super) struct AttemptBook {
    per_source: u32,
    max_sources: usize,
    max_waiting: usize,
    minute: i64,
    recorded_by_source: HashMap<String, u32>,
    waiting: Vec<RefusedAttempt>,
    counts: Counts,
}

impl AttemptBook {
    pub(super) fn new(limits: &LedgerLimits) -> Self {
        Self {
            per_source: limits.refused_per_source,
            max_sources: limits.sources,
            max_waiting: limits.refused_waiting,
            minute: 0,
            recorded_by_source: HashMap::new(),
            waiting: Vec::new(),
            counts: Counts::new(),
        }
    }

    /// Records or counts a refused call of this minute (since the epoch).
    pub(super) fn add(&mut self, attempt: RefusedAttempt, minute: i64) {
        if minute != self.minute {
            self.minute = minute;
            self.recorded_by_source.clear();
        }
        let source = source(&attempt);
        if self.waiting.len() < self.max_waiting && self.may_record(&source) {
            self.waiting.push(attempt);
        } else {
            self.count(source, attempt.cdr.refused_reason.unwrap_or_default());
        }
    }

    fn may_record(&mut self, source: &str) -> bool {
        if let Some(recorded) = self.recorded_by_source.get_mut(source) {
            let may = *recorded < self.per_source;
            *recorded += u32::from(may);
            return may;
        }
        let may = self.per_source > 0 && self.recorded_by_source.len() < self.max_sources;
        if may {
            self.recorded_by_source.insert(source.to_owned(), 1);
        }
        may
    }

    fn count(&mut self, source: String, mut reason: String) {
        if reason.len() > MAX_REASON_BYTES {
            "other".clone_into(&mut reason);
        }
        let room = self.counts.len() < self.max_sources;
        match self.counts.entry((source, reason, self.minute)) {
            Entry::Occupied(mut counted) => *counted.get_mut() += 1,
            Entry::Vacant(new) if room => {
                new.insert(1);
            }
            Entry::Vacant(new) => {
                let (_, reason, minute) = new.into_key();
                *self.counts.entry((EVERYBODY.to_owned(), reason, minute)).or_insert(0) += 1;
            }
        }
    }

    /// Hands over what waits.
    pub(super) fn take(&mut self) -> TakenAttempts {
        let counted = mem::take(&mut self.counts)
            .into_iter()
            .map(|((source, reason, minute), count)| RefusalCount { source, reason, minute, count })
            .collect();
        TakenAttempts { recorded: mem::take(&mut self.waiting), counted }
    }

    /// Takes back counts that could not be written. CDRs that could not be are counted too.
    pub(super) fn give_back(&mut self, taken: TakenAttempts) {
        for attempt in taken.recorded {
            self.count(source(&attempt), attempt.cdr.refused_reason.unwrap_or_default());
        }
        for counted in taken.counted {
            let room = self.counts.len() < self.max_sources;
            let source = if room { counted.source } else { EVERYBODY.to_owned() };
            *self.counts.entry((source, counted.reason, counted.minute)).or_insert(0) += counted.count;
        }
    }
}

/// Who is told apart: the account if it is known, else the address the request came from.
fn source(attempt: &RefusedAttempt) -> String {
    match (attempt.cdr.account_id, &attempt.cdr.source_address) {
        (Some(account), _) => format!("account:{account}"),
        (None, Some(address)) => address.clone(),
        (None, None) => "unknown".to_owned(),
    }
}
