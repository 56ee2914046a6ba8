//! What a link counts, in Prometheus' text form.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters of one server's link.
#[derive(Debug, Default)]
pub struct LinkMetrics {
    /// Logins that succeeded: the first one and every one after a loss.
    pub logins: AtomicU64,
    /// Attempts to connect and log in that failed.
    pub failures: AtomicU64,
    /// Events that came, those of lists not counted.
    pub events: AtomicU64,
    /// Events that a subscriber was too slow for.
    pub missed: AtomicU64,
    /// Blocks that were too large, or no answer and no event.
    pub malformed: AtomicU64,
    /// Actions that were sent.
    pub actions: AtomicU64,
    /// Actions that were sent and not answered in time, or at all.
    pub unanswered: AtomicU64,
    /// Actions that were turned away because too many waited.
    pub busy: AtomicU64,
    /// Answers that nobody waits for: late ones, second ones, errors without an `ActionID`.
    pub strays: AtomicU64,
}

impl LinkMetrics {
    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }
}

/// A counter's name, what it counts, and where it is.
type Counter = (&'static str, &'static str, fn(&LinkMetrics) -> &AtomicU64);

const COUNTERS: [Counter; 9] = [
    ("logins", "Logins that succeeded", |of| &of.logins),
    ("failures", "Attempts to connect or log in that failed", |of| &of.failures),
    ("events", "Events that came", |of| &of.events),
    ("events_missed", "Events that a part of the service was too slow for", |of| &of.missed),
    ("malformed", "Blocks that cannot be read", |of| &of.malformed),
    ("actions", "Actions sent", |of| &of.actions),
    ("unanswered", "Actions sent and not answered in time", |of| &of.unanswered),
    ("busy", "Actions turned away because too many waited", |of| &of.busy),
    ("strays", "Answers that nobody waits for", |of| &of.strays),
];

/// One server as it is shown.
pub(super) struct Shown<'a> {
    pub(super) server: &'a str,
    pub(super) up: bool,
    pub(super) metrics: &'a LinkMetrics,
}

/// The text that Prometheus reads; empty without servers.
pub(super) fn render(servers: &[Shown<'_>]) -> String {
    let mut out = String::new();
    if servers.is_empty() {
        return out;
    }
    let name = "tollgate_ami_up";
    let _ = writeln!(out, "# HELP {name} Whether the manager link is logged in\n# TYPE {name} gauge");
    for shown in servers {
        let _ = writeln!(out, "{name}{{server=\"{}\"}} {}", label(shown.server), u8::from(shown.up));
    }
    for (name, help, counter) in COUNTERS {
        let name = format!("tollgate_ami_{name}_total");
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter");
        for shown in servers {
            let value = counter(shown.metrics).load(Relaxed);
            let _ = writeln!(out, "{name}{{server=\"{}\"}} {value}", label(shown.server));
        }
    }
    out
}

fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_is_shown_by_its_name() {
        let metrics = LinkMetrics::default();
        LinkMetrics::count(&metrics.missed);
        let text = render(&[
            Shown { server: "pbx1", up: true, metrics: &metrics },
            Shown { server: "p\"2", up: false, metrics: &LinkMetrics::default() },
        ]);
        assert!(text.contains("tollgate_ami_up{server=\"pbx1\"} 1\n"), "{text}");
        assert!(text.contains("tollgate_ami_up{server=\"p\\\"2\"} 0\n"), "{text}");
        assert!(text.contains("tollgate_ami_events_missed_total{server=\"pbx1\"} 1\n"), "{text}");
        assert_eq!(text.matches("# TYPE").count(), COUNTERS.len() + 1);
        assert_eq!(render(&[]), "");
    }
}
