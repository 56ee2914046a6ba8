//! Counters and gauges of the service, and the registry that exports every metric of the process.

mod ledger;
mod registry;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub use self::ledger::{register_ledger, register_spool};
pub use self::registry::{CONTENT_TYPE, Histogram, Registry, Sample};

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

    /// Registers everything that is counted here.
    pub fn register(self: &Arc<Self>, registry: &mut Registry) {
        for (name, help, counter) in COUNTERS {
            let metrics = Arc::clone(self);
            registry.counter(name, help, move || counter(&metrics).load(Ordering::Relaxed));
        }
        for (name, help, gauge) in GAUGES {
            let metrics = Arc::clone(self);
            registry.gauge(name, help, move || gauge(&metrics).load(Ordering::Relaxed));
        }
        for (name, help, label, counts) in COUNTED_BY_WORD {
            let metrics = Arc::clone(self);
            registry.counters(name, help, [label], move || {
                let counts = counts(&metrics).lock().unwrap_or_else(PoisonError::into_inner);
                counts.iter().map(|(word, count)| ([(*word).to_owned()], *count)).collect()
            });
        }
        let metrics = Arc::clone(self);
        registry.counters("tollgate_calls_denied_total", "Calls refused", ["reason"], move || {
            let counts = metrics.calls_denied.iter().map(|count| count.load(Ordering::Relaxed));
            REASONS.iter().zip(counts).map(|(reason, count)| ([(*reason).to_owned()], count)).collect()
        });
        let metrics = Arc::clone(self);
        let help = "Answers of the public HTTP APIs";
        registry.counters("tollgate_http_requests_total", help, ["api", "status"], move || {
            let http = metrics.http.lock().unwrap_or_else(PoisonError::into_inner);
            http.iter()
                .map(|((api, status), count)| ([(*api).to_owned(), status.to_string()], *count))
                .collect()
        });
        let metrics = Arc::clone(self);
        let help = "Time to authorise a call, microseconds";
        registry.histogram("tollgate_authorize_us", help, move || metrics.authorise_times());
    }

    #[expect(clippy::cast_precision_loss, reason = "2^53 microseconds are 285 years")]
    fn authorise_times(&self) -> Histogram {
        let bounds = LATENCY_BOUNDS_US.iter().map(|bound| *bound as f64).chain([f64::INFINITY]);
        let counts = self.latency.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        Histogram {
            sum: self.latency_sum_us.load(Ordering::Relaxed) as f64,
            buckets: bounds.zip(counts).collect(),
        }
    }
}

/// A metric's name, its help, and its number.
type Number = (&'static str, &'static str, fn(&Metrics) -> &AtomicU64);

const COUNTERS: [Number; 14] = [
    ("tollgate_calls_allowed_total", "Calls granted", |of| &of.calls_allowed),
    ("tollgate_calls_settled_total", "Calls settled", |of| &of.calls_settled),
    ("tollgate_settles_duplicate_total", "Settle requests for settled calls", |of| &of.settles_duplicate),
    ("tollgate_calls_corrected_total", "Records without a ticket replaced by the settlement with it", |of| {
        &of.calls_corrected
    }),
    ("tollgate_tickets_refused_total", "Settle requests with a refused ticket", |of| &of.tickets_refused),
    ("tollgate_settles_failed_total", "Settle requests not durable in time", |of| &of.settles_failed),
    ("tollgate_overdraws_total", "Settlements beyond the available credit", |of| &of.overdraws),
    ("tollgate_holds_expired_total", "Holds ended without a settlement", |of| &of.holds_expired),
    ("tollgate_hold_renewals_total", "Holds of live calls extended", |of| &of.renewals),
    ("tollgate_call_ends_pushed_total", "Ends of live calls set in Asterisk", |of| &of.pushes),
    (
        "tollgate_call_ends_failed_total",
        "Ends of live calls that did not reach Asterisk and were tried again",
        |of| &of.pushes_failed,
    ),
    ("tollgate_link_losses_total", "Losses of a manager link", |of| &of.link_losses),
    ("tollgate_link_loss_calls_total", "Calls that were live when their manager link was lost", |of| {
        &of.link_loss_calls
    }),
    (
        "tollgate_link_loss_exposure_nanos_total",
        "Possible cost of such calls beyond their holds, nano-units",
        |of| &of.link_loss_exposed_nanos,
    ),
];

const GAUGES: [Number; 2] = [
    ("tollgate_calls_short", "Live calls that end early unless credit arrives", |of| &of.calls_short),
    ("tollgate_esim_orders_pending", "eSIM orders that are pending", |of| &of.esim_pending),
];

/// A metric's name, its help, its label, and the counts by the label's values.
type Counted =
    (&'static str, &'static str, &'static str, fn(&Metrics) -> &Mutex<BTreeMap<&'static str, u64>>);

const COUNTED_BY_WORD: [Counted; 3] = [
    ("tollgate_messages_total", "Submissions of messages by resulting state", "state", |of| &of.messages),
    ("tollgate_esim_orders_total", "eSIM orders by status reached", "status", |of| &of.esim_orders),
    (
        "tollgate_esim_upstream_failures_total",
        "Requests that the eSIM upstream did not answer as expected",
        "kind",
        |of| &of.esim_failures,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_events_are_exported() {
        let metrics = Arc::new(Metrics::default());
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
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let text = registry.encode().unwrap();
        assert!(text.contains("tollgate_calls_denied_total{reason=\"no_credit\"} 2"), "{text}");
        assert!(text.contains("tollgate_authorize_us_bucket{le=\"25.0\"} 0"), "{text}");
        assert!(text.contains("tollgate_authorize_us_bucket{le=\"50.0\"} 1"), "{text}");
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
