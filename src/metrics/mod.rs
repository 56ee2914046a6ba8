//! What the service counts, in Prometheus' text form.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::ledger::spool::SpoolCounters;

/// Upper bounds of the authorise latency histogram, in microseconds.
const LATENCY_BOUNDS_US: [u64; 10] = [10, 25, 50, 100, 250, 500, 1_000, 10_000, 100_000, 1_000_000];

/// Counters and gauges of the running service.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Calls granted.
    pub calls_allowed: AtomicU64,
    /// Calls refused, by the place of the reason in [`REASONS`].
    calls_denied: [AtomicU64; REASONS.len()],
    /// Calls settled, duplicates not counted.
    pub calls_settled: AtomicU64,
    /// Settle requests for calls that were settled already.
    pub settles_duplicate: AtomicU64,
    /// Settlements with a ticket that replaced a record written without one.
    pub calls_corrected: AtomicU64,
    /// Settle requests whose ticket was refused, or that had none for a call that may be live.
    pub tickets_refused: AtomicU64,
    /// Settle requests that could not be made durable in time.
    pub settles_failed: AtomicU64,
    /// Holds that ended because nobody settled them.
    pub holds_expired: AtomicU64,
    /// Settlements that took more than was available.
    pub overdraws: AtomicU64,
    /// Holds of live calls that were extended.
    pub renewals: AtomicU64,
    /// Live calls that end where they are funded to, unless credit arrives.
    pub calls_short: AtomicU64,
    /// Ends of live calls that Asterisk took.
    pub pushes: AtomicU64,
    /// Ends of live calls that did not reach Asterisk; each is tried again.
    pub pushes_failed: AtomicU64,
    /// Losses of a control link.
    pub link_losses: AtomicU64,
    /// Calls that were live on a server when its control link was lost.
    pub link_loss_calls: AtomicU64,
    /// How much more than was held such calls could have cost their clients, in nano-units.
    pub link_loss_exposed_nanos: AtomicU64,
    latency: [AtomicU64; LATENCY_BOUNDS_US.len() + 1],
    latency_sum_us: AtomicU64,
    /// Answers of the public HTTP APIs, by API and status.
    http: Mutex<BTreeMap<(&'static str, u16), u64>>,
    messages: Mutex<BTreeMap<&'static str, u64>>,
    /// Orders of data packages that were pending when they were last looked through.
    pub esim_pending: AtomicU64,
    esim_orders: Mutex<BTreeMap<&'static str, u64>>,
    esim_failures: Mutex<BTreeMap<&'static str, u64>>,
}

/// The machine codes of refusals.
pub const REASONS: [&str; 13] = [
    "unknown_peer",
    "inactive",
    "bad_source",
    "bad_number",
    "no_rate",
    "blocked",
    "no_route",
    "no_credit",
    "no_wholesale_credit",
    "call_limit",
    "cps_limit",
    "daily_limit",
    "unavailable",
];

impl Metrics {
    /// Counts a refusal.
    pub fn denied(&self, reason: &str) {
        if let Some(index) = REASONS.iter().position(|known| *known == reason) {
            self.calls_denied[index].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a message that was given to its provider, by where it is then.
    pub fn message_ended(&self, state: &'static str) {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        *messages.entry(state).or_default() += 1;
    }

    /// Counts an order of a data package that came to a status.
    pub fn esim_became(&self, status: &'static str) {
        let mut orders = self.esim_orders.lock().unwrap_or_else(PoisonError::into_inner);
        *orders.entry(status).or_default() += 1;
    }

    /// Counts a question that the eSIM upstream did not answer as was hoped.
    pub fn esim_failed(&self, kind: &'static str) {
        let mut failures = self.esim_failures.lock().unwrap_or_else(PoisonError::into_inner);
        *failures.entry(kind).or_default() += 1;
    }

    /// Counts an answer of a public HTTP API.
    pub fn http_answered(&self, api: &'static str, status: u16) {
        let mut http = self.http.lock().unwrap_or_else(PoisonError::into_inner);
        *http.entry((api, status)).or_default() += 1;
    }

    /// Notes how long an authorise took.
    pub fn authorised_in_us(&self, us: u64) {
        let bucket = LATENCY_BOUNDS_US.iter().position(|bound| us <= *bound);
        self.latency[bucket.unwrap_or(LATENCY_BOUNDS_US.len())].fetch_add(1, Ordering::Relaxed);
        self.latency_sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// The text that Prometheus reads.
    pub fn render(&self, calls_open: usize) -> String {
        let mut out = String::new();
        let counters = [
            ("tollgate_calls_allowed_total", "Calls granted", &self.calls_allowed),
            ("tollgate_calls_settled_total", "Calls settled", &self.calls_settled),
            (
                "tollgate_settles_duplicate_total",
                "Settle requests for settled calls",
                &self.settles_duplicate,
            ),
            (
                "tollgate_calls_corrected_total",
                "Records without a ticket replaced by the settlement with it",
                &self.calls_corrected,
            ),
            (
                "tollgate_tickets_refused_total",
                "Settle requests with a refused ticket",
                &self.tickets_refused,
            ),
            ("tollgate_settles_failed_total", "Settle requests not durable in time", &self.settles_failed),
            ("tollgate_overdraws_total", "Settlements beyond what was available", &self.overdraws),
            ("tollgate_holds_expired_total", "Holds ended without a settlement", &self.holds_expired),
            ("tollgate_hold_renewals_total", "Holds of live calls extended", &self.renewals),
            ("tollgate_call_ends_pushed_total", "Ends of live calls that Asterisk took", &self.pushes),
            (
                "tollgate_call_ends_failed_total",
                "Ends of live calls that did not reach Asterisk and were tried again",
                &self.pushes_failed,
            ),
            ("tollgate_link_losses_total", "Losses of a control link", &self.link_losses),
            (
                "tollgate_link_loss_calls_total",
                "Calls that were live when their control link was lost",
                &self.link_loss_calls,
            ),
            (
                "tollgate_link_loss_exposure_nanos_total",
                "What such calls could have cost beyond what was held, nano-units",
                &self.link_loss_exposed_nanos,
            ),
        ];
        for (name, help, value) in counters {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter");
            let _ = writeln!(out, "{name} {}", value.load(Ordering::Relaxed));
        }
        let name = "tollgate_calls_denied_total";
        let _ = writeln!(out, "# HELP {name} Calls refused\n# TYPE {name} counter");
        for (reason, count) in REASONS.iter().zip(&self.calls_denied) {
            let _ = writeln!(out, "{name}{{reason=\"{reason}\"}} {}", count.load(Ordering::Relaxed));
        }
        let name = "tollgate_calls_open";
        let _ = writeln!(out, "# HELP {name} Calls open now\n# TYPE {name} gauge");
        let _ = writeln!(out, "{name} {calls_open}");
        let name = "tollgate_calls_short";
        let _ = writeln!(out, "# HELP {name} Live calls that end unless credit arrives\n# TYPE {name} gauge");
        let _ = writeln!(out, "{name} {}", self.calls_short.load(Ordering::Relaxed));
        let name = "tollgate_http_requests_total";
        let _ = writeln!(out, "# HELP {name} Answers of the public HTTP APIs\n# TYPE {name} counter");
        for ((api, status), count) in &*self.http.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = writeln!(out, "{name}{{api=\"{api}\",status=\"{status}\"}} {count}");
        }
        let name = "tollgate_messages_total";
        let _ = writeln!(
            out,
            "# HELP {name} Tries to send a message, by where it was then\n# TYPE {name} counter"
        );
        for (state, count) in &*self.messages.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = writeln!(out, "{name}{{state=\"{state}\"}} {count}");
        }
        self.render_esim(&mut out);
        let name = "tollgate_authorize_us";
        let _ = writeln!(out, "# HELP {name} Time to decide, microseconds\n# TYPE {name} histogram");
        let mut seen = 0;
        for (index, bucket) in self.latency.iter().enumerate() {
            seen += bucket.load(Ordering::Relaxed);
            let bound = LATENCY_BOUNDS_US.get(index).map_or_else(|| "+Inf".to_owned(), ToString::to_string);
            let _ = writeln!(out, "{name}_bucket{{le=\"{bound}\"}} {seen}");
        }
        let _ =
            writeln!(out, "{name}_sum {}\n{name}_count {seen}", self.latency_sum_us.load(Ordering::Relaxed));
        out
    }

    fn render_esim(&self, out: &mut String) {
        let counters = [
            (
                "tollgate_esim_orders_total",
                "Orders of data packages, by status come to",
                "status",
                &self.esim_orders,
            ),
            (
                "tollgate_esim_upstream_failures_total",
                "Questions that the eSIM upstream did not answer as hoped",
                "kind",
                &self.esim_failures,
            ),
        ];
        for (name, help, label, counts) in counters {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter");
            for (value, count) in &*counts.lock().unwrap_or_else(PoisonError::into_inner) {
                let _ = writeln!(out, "{name}{{{label}=\"{value}\"}} {count}");
            }
        }
        let name = "tollgate_esim_orders_pending";
        let _ = writeln!(out, "# HELP {name} Orders of data packages that wait\n# TYPE {name} gauge");
        let _ = writeln!(out, "{name} {}", self.esim_pending.load(Ordering::Relaxed));
    }
}

/// What the spool of settlements holds and has counted, as Prometheus reads it.
pub fn render_spool(spool: &SpoolCounters) -> String {
    let mut out = String::new();
    let values = [
        ("tollgate_spool_records", "gauge", "Ended calls that wait for the database", &spool.records),
        ("tollgate_spool_bytes", "gauge", "Bytes of the spool's file", &spool.bytes),
        ("tollgate_spool_kept_total", "counter", "Ended calls put into the spool", &spool.kept),
        (
            "tollgate_spool_drained_total",
            "counter",
            "Ended calls of the spool that are in the book",
            &spool.drained,
        ),
        (
            "tollgate_spool_refused_total",
            "counter",
            "Ended calls of the spool that the book refused",
            &spool.refused,
        ),
        (
            "tollgate_spool_failed_total",
            "counter",
            "Ended calls that the spool could not keep",
            &spool.failed,
        ),
    ];
    for (name, kind, help, value) in values {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        let _ = writeln!(out, "{name} {}", value.load(Ordering::Relaxed));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_shown() {
        let metrics = Metrics::default();
        metrics.denied("no_credit");
        metrics.denied("no_credit");
        metrics.authorised_in_us(30);
        metrics.http_answered("client-api", 200);
        metrics.http_answered("client-api", 200);
        metrics.message_ended("SENT_TO_PROVIDER");
        metrics.esim_became("ALLOCATED");
        metrics.esim_failed("unknown");
        metrics.esim_pending.store(2, Ordering::Relaxed);
        metrics.authorised_in_us(5_000_000);
        let text = metrics.render(3);
        assert!(text.contains("tollgate_calls_denied_total{reason=\"no_credit\"} 2"), "{text}");
        assert!(text.contains("tollgate_authorize_us_bucket{le=\"25\"} 0"), "{text}");
        assert!(text.contains("tollgate_authorize_us_bucket{le=\"50\"} 1"), "{text}");
        assert!(text.contains("tollgate_authorize_us_bucket{le=\"+Inf\"} 2"), "{text}");
        assert!(text.contains("tollgate_authorize_us_count 2"), "{text}");
        let http = "tollgate_http_requests_total{api=\"client-api\",status=\"200\"} 2";
        assert!(text.contains(http), "{text}");
        assert!(text.contains("tollgate_esim_orders_total{status=\"ALLOCATED\"} 1"), "{text}");
        assert!(text.contains("tollgate_esim_upstream_failures_total{kind=\"unknown\"} 1"), "{text}");
        assert!(text.contains("tollgate_esim_orders_pending 2"), "{text}");
        assert!(text.contains("tollgate_messages_total{state=\"SENT_TO_PROVIDER\"} 1"), "{text}");
    }
}
