//! Refused calls under a flood: the first few of each source get a CDR, the rest are counted; memory is bounded.

use std::{
    collections::{HashMap, HashSet},
    mem,
};

use super::limits::LedgerLimits;
use crate::store::{attempts::RefusalCount, cdr::RefusedAttempt};

/// Source under which refused calls are counted once too many distinct sources are seen.
const EVERYBODY: &str = "*";
/// Longest reason in bytes. Reasons are about a dozen machine codes of this program; a longer text is not one of them.
const MAX_REASON_BYTES: usize = 32;

const MINUTES_A_DAY: i64 = 1_440;

/// Counts by source, reason and minute.
type Counts = HashMap<(String, String, i64), i64>;

/// Rows and counts waiting to be written.
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

/// Refused calls since the writer last collected them, and rows per source in this minute and this day.
#[derive(Debug)]
pub(super) struct AttemptBook {
    per_source: u32,
    per_source_day: u32,
    per_day: u32,
    max_sources: usize,
    max_waiting: usize,
    minute: i64,
    day: i64,
    recorded_by_source: HashMap<String, u32>,
    recorded_today: u32,
    recorded_today_by_source: HashMap<String, u32>,
    /// Sources and reasons with a count of their own in this minute.
    named: HashSet<(String, String)>,
    named_today: u32,
    waiting: Vec<RefusedAttempt>,
    counts: Counts,
}

impl AttemptBook {
    pub(super) fn new(limits: &LedgerLimits) -> Self {
        Self {
            per_source: limits.refused_per_source,
            per_source_day: limits.refused_per_source_day,
            per_day: limits.refused_per_day,
            max_sources: limits.sources,
            max_waiting: limits.refused_waiting,
            minute: 0,
            day: 0,
            recorded_by_source: HashMap::new(),
            recorded_today: 0,
            recorded_today_by_source: HashMap::new(),
            named: HashSet::new(),
            named_today: 0,
            waiting: Vec::new(),
            counts: Counts::new(),
        }
    }

    /// Records or counts a refused call; `minute` is in minutes since the epoch.
    pub(super) fn add(&mut self, attempt: RefusedAttempt, minute: i64) {
        if minute != self.minute {
            self.minute = minute;
            self.recorded_by_source.clear();
            self.named.clear();
        }
        let day = minute.div_euclid(MINUTES_A_DAY);
        if day != self.day {
            self.day = day;
            self.recorded_today = 0;
            self.recorded_today_by_source.clear();
            self.named_today = 0;
        }
        let source = source(&attempt);
        if self.waiting.len() < self.max_waiting && self.may_record(&source) {
            self.waiting.push(attempt);
        } else {
            self.count(source, attempt.cdr.refused_reason.unwrap_or_default());
        }
    }

    fn may_record(&mut self, source: &str) -> bool {
        let recorded = |counts: &HashMap<String, u32>| counts.get(source).copied();
        let (this_minute, today) =
            (recorded(&self.recorded_by_source), recorded(&self.recorded_today_by_source));
        let has_room = this_minute.is_some() || self.recorded_by_source.len() < self.max_sources;
        let may = has_room
            && this_minute.unwrap_or(0) < self.per_source
            && today.unwrap_or(0) < self.per_source_day
            && self.recorded_today < self.per_day;
        if may {
            self.recorded_today += 1;
            for counts in [&mut self.recorded_by_source, &mut self.recorded_today_by_source] {
                *counts.entry(source.to_owned()).or_insert(0) += 1;
            }
        }
        may
    }

    fn count(&mut self, source: String, mut reason: String) {
        if reason.len() > MAX_REASON_BYTES {
            "other".clone_into(&mut reason);
        }
        let named = (source, reason);
        let is_named = self.named.contains(&named);
        let has_room = self.named.len() < self.max_sources && self.named_today < self.per_day;
        let (source, reason) = named;
        if is_named || has_room {
            if !is_named {
                self.named_today += 1;
                self.named.insert((source.clone(), reason.clone()));
            }
            *self.counts.entry((source, reason, self.minute)).or_insert(0) += 1;
        } else {
            *self.counts.entry((EVERYBODY.to_owned(), reason, self.minute)).or_insert(0) += 1;
        }
    }

    /// Returns the waiting rows and counts and empties this buffer.
    pub(super) fn take(&mut self) -> TakenAttempts {
        let counted = mem::take(&mut self.counts)
            .into_iter()
            .map(|((source, reason, minute), count)| RefusalCount { source, reason, minute, count })
            .collect();
        TakenAttempts { recorded: mem::take(&mut self.waiting), counted }
    }

    /// Puts back counts that could not be written. CDRs that could not be written are counted as well.
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

/// Returns the source that a refused call is counted under: the account if known, otherwise the request's address.
fn source(attempt: &RefusedAttempt) -> String {
    match (attempt.cdr.account_id, &attempt.cdr.source_address) {
        (Some(account), _) => format!("account:{account}"),
        (None, Some(address)) => address.clone(),
        (None, None) => "unknown".to_owned(),
    }
}
