//! The orders that the worker is to look at, and when.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Waits between two questions about an order that the upstream has accepted: allocation takes up to 30 s.
const POLL: [Duration; 5] = [
    Duration::from_millis(700),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(3),
    Duration::from_secs(5),
];
/// The longest of those waits.
const POLL_AT_MOST: Duration = Duration::from_secs(30);
/// The first wait after a try without an answer; it doubles.
const RETRY: Duration = Duration::from_secs(1);
/// The longest of those waits.
const RETRY_AT_MOST: Duration = Duration::from_mins(1);

/// The next action for an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// None: it has just got its eSIM, or failed.
    Done,
    /// None: it was not pending.
    Ended,
    /// The upstream has accepted it and allocates it soon: ask again.
    Soon,
    /// The upstream gave no answer: try again later.
    Later,
}

/// The time at which an order is due.
#[derive(Clone, Copy, Debug)]
struct At {
    at: Instant,
    /// Number of looks so far that changed nothing.
    looks: u32,
}

/// Orders that are due.
#[derive(Debug, Default)]
pub(super) struct Due {
    orders: Mutex<BTreeMap<i64, At>>,
    woken: Notify,
}

impl Due {
    fn orders(&self) -> MutexGuard<'_, BTreeMap<i64, At>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes an order due now.
    pub(super) fn now(&self, id: i64) {
        self.orders().insert(id, At { at: Instant::now(), looks: 0 });
        self.woken.notify_one();
    }

    /// Makes an order due after `wait`, unless it is due sooner.
    pub(super) fn notify(&self, id: i64, wait: Duration) {
        let at = Instant::now() + wait;
        let mut orders = self.orders();
        let entry = orders.entry(id).or_insert(At { at, looks: 0 });
        entry.at = entry.at.min(at);
        drop(orders);
        self.woken.notify_one();
    }

    /// Makes an order due now, unless it is scheduled already. Does not wake the worker.
    pub(super) fn add_missing(&self, id: i64) {
        self.orders().entry(id).or_insert(At { at: Instant::now(), looks: 0 });
    }

    /// Schedules the next look at an order.
    pub(super) fn reschedule(&self, id: i64, next: Next, looks: u32) {
        let wait = match next {
            Next::Done | Next::Ended => return,
            Next::Soon => {
                let step = usize::try_from(looks).ok().and_then(|looks| POLL.get(looks)).copied();
                step.unwrap_or(POLL_AT_MOST)
            }
            Next::Later => RETRY.saturating_mul(1 << looks.min(10)).min(RETRY_AT_MOST),
        };
        let at = At { at: Instant::now() + wait, looks: looks.saturating_add(1) };
        self.orders().entry(id).or_insert(at);
        // The worker may be waiting without a time to wake at.
        self.woken.notify_one();
    }

    /// Removes the order that has been due longest, with its number of looks.
    pub(super) fn pop_due(&self) -> Option<(i64, u32)> {
        let now = Instant::now();
        let mut orders = self.orders();
        let (&id, &At { looks, .. }) =
            orders.iter().filter(|(_, due)| due.at <= now).min_by_key(|(_, due)| due.at)?;
        orders.remove(&id);
        Some((id, looks))
    }

    /// The time at which the next order is due.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.orders().values().map(|due| due.at).min()
    }

    /// Waits until an order is scheduled.
    pub(super) async fn woken(&self) {
        self.woken.notified().await;
    }

    /// Wakes the worker.
    pub(super) fn wake(&self) {
        self.woken.notify_one();
    }
}
