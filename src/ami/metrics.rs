//! Counters of the links.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters of one server's link.
#[derive(Debug, Default)]
pub struct LinkMetrics {
    /// Successful logins: the first one and every one after a loss.
    pub logins: AtomicU64,
    /// Failed attempts to connect and log in.
    pub failures: AtomicU64,
    /// Events received, except those of lists.
    pub events: AtomicU64,
    /// Events dropped because a subscriber was too slow.
    pub missed: AtomicU64,
    /// Blocks that were oversized, or neither an answer nor an event.
    pub malformed: AtomicU64,
    /// Actions sent.
    pub actions: AtomicU64,
    /// Actions sent and not answered in time, or at all.
    pub unanswered: AtomicU64,
    /// Actions refused because too many were waiting.
    pub busy: AtomicU64,
    /// Answers without a waiting action: late ones, repeated ones, errors without an `ActionID`.
    pub strays: AtomicU64,
}

impl LinkMetrics {
    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }
}

/// A counter's name, its help text, and its value.
pub(super) type Counter = (&'static str, &'static str, fn(&LinkMetrics) -> &AtomicU64);

pub(super) const COUNTERS: [Counter; 9] = [
    ("tollgate_ami_logins_total", "Logins that succeeded", |of| &of.logins),
    ("tollgate_ami_failures_total", "Attempts to connect or log in that failed", |of| &of.failures),
    ("tollgate_ami_events_total", "Events received", |of| &of.events),
    ("tollgate_ami_events_missed_total", "Events that a part of the service was too slow for", |of| {
        &of.missed
    }),
    ("tollgate_ami_malformed_total", "Blocks that cannot be read", |of| &of.malformed),
    ("tollgate_ami_actions_total", "Actions sent", |of| &of.actions),
    ("tollgate_ami_unanswered_total", "Actions sent and not answered in time", |of| &of.unanswered),
    ("tollgate_ami_busy_total", "Actions refused because too many waited", |of| &of.busy),
    ("tollgate_ami_strays_total", "Answers without a waiting action", |of| &of.strays),
];
