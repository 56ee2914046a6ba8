//! Request budgets of keys and addresses.

use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;

use governor::clock::{Clock as _, MonotonicClock};
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use tollgate_agi::accept::network;

use super::error::ApiError;
use crate::config::Http;

/// Recorded refused transfers of a reseller per minute.
const KEPT_FAILURES_PER_MINUTE: u32 = 60;

/// Addresses without a valid key that have a bucket of their own.
const MAX_STRANGERS: usize = 65_536;

type Limiter<K> = RateLimiter<K, DashMapStateStore<K>, MonotonicClock>;

/// Smallest burst, in requests: a page of a portal makes that many.
const LEAST_BURST: u32 = 20;

/// Buckets by key and by address, each filled evenly and as large as some seconds' requests.
#[derive(Debug)]
pub(super) struct Limits {
    keys: Limiter<i64>,
    strangers: Limiter<IpAddr>,
    kept_failures: Limiter<i64>,
}

/// A bucket of `per_minute` requests, filled evenly, that holds those of `burst_seconds`.
fn limiter<K: Hash + Eq + Clone>(per_minute: u32, burst_seconds: u32) -> Limiter<K> {
    let at_once = u64::from(per_minute) * u64::from(burst_seconds) / 60;
    let at_once = u32::try_from(at_once).unwrap_or(u32::MAX).max(LEAST_BURST).min(per_minute);
    // The configuration is checked to be above zero.
    let above_zero = |count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
    let quota = Quota::per_minute(above_zero(per_minute)).allow_burst(above_zero(at_once));
    RateLimiter::new(quota, DashMapStateStore::default(), MonotonicClock)
}

fn check<K: Hash + Eq + Clone>(limiter: &Limiter<K>, key: &K) -> Result<(), ApiError> {
    limiter.check_key(key).map_err(|not_until| {
        let wait = not_until.wait_time_from(MonotonicClock.now());
        let mut error = ApiError::new(
            axum::http::StatusCode::TOO_MANY_REQUESTS,
            "too_many_requests",
            "too many requests; ask again later",
        );
        error.retry_after = Some(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1));
        error
    })
}

impl Limits {
    /// As configured.
    pub(super) fn new(http: &Http) -> Self {
        Self {
            keys: limiter(http.key_requests_per_minute, http.burst_seconds),
            strangers: limiter(http.address_requests_per_minute, http.burst_seconds),
            kept_failures: limiter(KEPT_FAILURES_PER_MINUTE, http.burst_seconds),
        }
    }

    /// Counts a request with a key.
    pub(super) fn of_key(&self, key_id: i64) -> Result<(), ApiError> {
        check(&self.keys, &key_id)
    }

    /// Counts a request without a valid key. An IPv6 network has one bucket.
    pub(super) fn of_stranger(&self, address: IpAddr) -> Result<(), ApiError> {
        // Until idle buckets are removed, within a minute, further addresses share one.
        let has_room = self.strangers.len() < MAX_STRANGERS;
        let bucket = if has_room { network(address) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
        check(&self.strangers, &bucket)
    }

    /// True where another refused transfer of a reseller is recorded: a script that fails in a loop does not fill the table.
    pub(super) fn keeps_failure_of(&self, reseller_id: i64) -> bool {
        check(&self.kept_failures, &reseller_id).is_ok()
    }

    /// Removes the buckets of idle keys and addresses.
    pub(super) fn forget_idle(&self) {
        self.keys.retain_recent();
        self.strangers.retain_recent();
        self.kept_failures.retain_recent();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_over_its_budget_gets_retry_after_and_other_keys_do_not() {
        let http = Http { key_requests_per_minute: 3, ..Http::default() };
        let limits = Limits::new(&http);
        for _ in 0..3 {
            limits.of_key(1).unwrap();
        }
        let error = limits.of_key(1).unwrap_err();
        assert_eq!(error.status, 429);
        assert!((1..=21).contains(&error.retry_after.unwrap()), "{error:?}");
        limits.of_key(2).unwrap();
        limits.forget_idle();
        assert!(limits.of_key(1).is_err());
    }

    #[test]
    fn a_minutes_requests_do_not_come_as_one_burst() {
        let at_once = |per_minute, burst_seconds| {
            let http = Http { key_requests_per_minute: per_minute, burst_seconds, ..Http::default() };
            let limits = Limits::new(&http);
            (0..100_000).take_while(|_| limits.of_key(1).is_ok()).count()
        };
        // What is let in again while it counts is little: 10 a second.
        assert!((50..70).contains(&at_once(600, 5)), "five seconds' worth");
        assert!((20..40).contains(&at_once(60, 5)), "a page of a portal");
        assert_eq!(at_once(3, 60), 3);
    }

    #[test]
    fn a_network_of_version_6_has_one_bucket() {
        let limits = Limits::new(&Http { address_requests_per_minute: 1, ..Http::default() });
        let ask = |address: &str| limits.of_stranger(address.parse().unwrap()).is_ok();
        assert!(ask("2001:db8::1") && !ask("2001:db8::ffff:1"));
        assert!(ask("2001:db8:0:1::1"));
        assert!(ask("::ffff:192.0.2.1") && !ask("192.0.2.1"));
    }

    #[test]
    fn buckets_of_addresses_are_bounded() {
        let limits = Limits::new(&Http { address_requests_per_minute: 1, ..Http::default() });
        for number in 0..u32::try_from(MAX_STRANGERS).unwrap() {
            limits.of_stranger(Ipv4Addr::from(0x0a00_0000 + number).into()).unwrap();
        }
        limits.of_stranger([192, 0, 2, 1].into()).unwrap();
        assert!(limits.of_stranger([192, 0, 2, 2].into()).is_err(), "the rest shares a bucket");
        assert!(limits.strangers.len() <= MAX_STRANGERS + 1);
    }
}
