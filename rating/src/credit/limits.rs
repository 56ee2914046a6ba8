//! Limits beside money: calls at once, calls per second, spending per day.

use crate::money::Money;
use std::collections::VecDeque;

/// The highest calls-per-second limit that is kept: the wallet remembers the times of so many calls. A higher limit
/// counts as this one.
pub const MAX_CALLS_PER_SECOND: u32 = 10_000;

/// The time over which calls per second are counted.
const CPS_WINDOW_MS: u64 = 1_000;

/// Limits of an account beside its credit. `None` is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Limits {
    /// Calls held at the same time; 0 admits none.
    pub concurrent_calls: Option<u32>,
    /// Calls admitted in any 1,000 ms; 0 admits none.
    pub calls_per_second: Option<u32>,
    /// Money spent in a day, what is held included.
    pub daily_spend: Option<Money>,
}

/// When the last calls were admitted.
///
/// The rule: a call at `now` is refused exactly when `limit` calls were admitted since `now` − 1,000 ms, that moment
/// itself excluded. Refused calls do not count. Calls admitted while there was no limit are not known. Where threads
/// come with their times in the wrong order an earlier `now` counts as the latest.
#[derive(Debug, Default)]
pub(crate) struct Admissions {
    /// The latest admissions, oldest first, at most as many as the limit.
    times_ms: VecDeque<u64>,
}

impl Admissions {
    /// Reports whether one more call may be admitted.
    pub(crate) fn allow(&self, limit: Option<u32>, now_ms: u64) -> bool {
        let Some(limit) = kept(limit) else { return true };
        if limit == 0 {
            return false;
        }
        // Of the last `limit` admissions the oldest: once it has left the window, fewer than `limit` are in it.
        let oldest_ms = self.times_ms.len().checked_sub(limit).and_then(|at| self.times_ms.get(at));
        oldest_ms.is_none_or(|oldest_ms| now_ms.saturating_sub(*oldest_ms) >= CPS_WINDOW_MS)
    }

    /// Records a call that [`allow`](Self::allow) let pass.
    pub(crate) fn record(&mut self, limit: Option<u32>, now_ms: u64) {
        let Some(limit) = kept(limit) else {
            // Not written to where there is nothing to forget: other cores may have it in their caches.
            if !self.times_ms.is_empty() {
                self.times_ms.clear();
            }
            return;
        };
        while self.times_ms.len() >= limit.max(1) {
            self.times_ms.pop_front();
        }
        let latest = self.times_ms.back().copied().unwrap_or(0);
        self.times_ms.push_back(now_ms.max(latest));
    }
}

fn kept(limit: Option<u32>) -> Option<usize> {
    limit.map(|limit| limit.min(MAX_CALLS_PER_SECOND) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(admissions: &mut Admissions, limit: u32, now_ms: u64) -> bool {
        let allowed = admissions.allow(Some(limit), now_ms);
        if allowed {
            admissions.record(Some(limit), now_ms);
        }
        allowed
    }

    #[test]
    fn at_most_the_limit_is_admitted_in_any_second() {
        let mut admissions = Admissions::default();
        let times = [0, 400, 999, 1_000, 1_399, 1_400, 1_999, 2_000];
        let admitted = times.map(|now| admit(&mut admissions, 2, now));
        assert_eq!(admitted, [true, true, false, true, false, true, false, true]);
    }

    #[test]
    fn a_limit_of_zero_admits_nothing_and_none_admits_all() {
        let mut admissions = Admissions::default();
        assert!(!admit(&mut admissions, 0, 5_000));
        assert!((0..100).all(|_| admissions.allow(None, 0)));
    }

    #[test]
    fn a_raised_limit_counts_what_was_admitted_under_the_lower_one() {
        let mut admissions = Admissions::default();
        assert!(admit(&mut admissions, 1, 0));
        assert!(admit(&mut admissions, 3, 10));
        assert!(admit(&mut admissions, 3, 20));
        assert!(!admit(&mut admissions, 3, 999));
        assert!(!admit(&mut admissions, 1, 1_005));
        assert!(admit(&mut admissions, 1, 1_020));
    }

    #[test]
    fn a_time_from_the_past_counts_as_the_latest() {
        let mut admissions = Admissions::default();
        assert!(admit(&mut admissions, 1, 10_000));
        assert!(!admit(&mut admissions, 1, 2_000));
        assert!(admit(&mut admissions, 2, 2_000));
        assert!(!admit(&mut admissions, 1, 10_999));
        assert!(admit(&mut admissions, 1, 11_000));
    }
}
