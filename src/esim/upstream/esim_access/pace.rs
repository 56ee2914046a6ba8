//! The rate of requests: eight a second, of which each kind of question has a share.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::esim::upstream::{Priority, UpstreamError};

/// Requests a second of each priority; eight together.
const fn per_second(priority: Priority) -> u32 {
    match priority {
        Priority::Orders | Priority::Pending => 3,
        Priority::Questions => 2,
    }
}

/// The longest wait of a request before it is given up.
const fn patience(priority: Priority) -> Duration {
    match priority {
        Priority::Orders => Duration::from_secs(20),
        Priority::Pending => Duration::from_secs(10),
        Priority::Questions => Duration::from_secs(2),
    }
}

/// A limiter without a burst: one more request at once would be one more within a second.
fn limiter(priority: Priority) -> DefaultDirectRateLimiter {
    let one = NonZeroU32::MIN;
    let rate = one.saturating_add(per_second(priority) - 1);
    RateLimiter::direct(Quota::per_second(rate).allow_burst(one))
}

/// The limiters of all priorities.
pub(super) struct Pace {
    orders: DefaultDirectRateLimiter,
    pending: DefaultDirectRateLimiter,
    questions: DefaultDirectRateLimiter,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            orders: limiter(Priority::Orders),
            pending: limiter(Priority::Pending),
            questions: limiter(Priority::Questions),
        }
    }

    /// Waits until a request may be sent.
    pub(super) async fn wait(&self, priority: Priority) -> Result<(), UpstreamError> {
        let limiter = match priority {
            Priority::Orders => &self.orders,
            Priority::Pending => &self.pending,
            Priority::Questions => &self.questions,
        };
        let ready = tokio::time::timeout(patience(priority), limiter.until_ready()).await;
        ready.map_err(|_| UpstreamError::Busy)
    }
}
