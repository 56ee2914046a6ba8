//! Trust in the lease of the ownership: a decision about clocks that reads none.
//!
//! Only the database decides about the ownership. Between two of its answers a process trusts the last one for a little
//! less than the lease lasts, measured by every clock of the machine: the shortest time counts. A pause or a step that
//! any clock shows ends the trust until the database has confirmed the ownership again.

use crate::clock::Moment;

/// Duration of an unrenewed lease by the database's clock, in milliseconds.
pub const LEASE_MS: u32 = 6_000;
/// Time for which a confirmation is trusted, in milliseconds: less than the lease, because asking takes time and clocks
/// differ in speed.
pub const TRUSTED_MS: u64 = 5_500;

/// State of the lease as known to this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// Time of the last renewal that the database confirmed, by the clocks before the request.
    confirmed: Option<Moment>,
    /// Time when this process last noted that it ran, in an outage that began while the lease was trusted.
    outage_seen: Option<Moment>,
}

impl Lease {
    /// Records that the database has confirmed the ownership, in answer to a request sent at `asked`.
    #[must_use]
    pub const fn confirmed(asked: Moment) -> Self {
        Self { confirmed: Some(asked), outage_seen: None }
    }

    /// Records that the database could not be asked. If the lease is still trusted, an outage begins.
    #[must_use]
    pub fn unavailable(self, now: &Moment) -> Self {
        if self.outage_seen.is_none() && self.is_trusted(now) {
            return Self { outage_seen: Some(*now), ..self };
        }
        self
    }

    /// Records that the process runs. A gap since the last record ends the trust and the outage's extension of it.
    #[must_use]
    pub fn observed(self, now: &Moment) -> Self {
        Self {
            confirmed: self.confirmed.filter(|asked| now.is_within(asked, TRUSTED_MS)),
            outage_seen: self.outage_seen.filter(|seen| now.is_within(seen, TRUSTED_MS)).map(|_| *now),
        }
    }

    /// Reports whether the ownership was confirmed recently by every clock.
    pub fn is_trusted(&self, now: &Moment) -> bool {
        self.confirmed.is_some_and(|asked| now.is_within(&asked, TRUSTED_MS))
    }

    /// Reports whether the ownership was valid when a still lasting outage of the database began, without a gap since
    /// in which another process could have acquired it unnoticed.
    pub fn is_kept_by_outage(&self, now: &Moment) -> bool {
        self.outage_seen.is_some_and(|seen| now.is_within(&seen, TRUSTED_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u32) -> Moment {
        Moment { wall_us: i64::from(ms) * 1_000, monotonic_ms: u64::from(ms), boot_ms: u64::from(ms) }
    }

    #[test]
    fn a_lease_is_trusted_a_little_less_than_it_lasts() {
        assert!(!Lease::default().is_trusted(&at(0)));
        let lease = Lease::confirmed(at(1_000));
        assert!(lease.is_trusted(&at(1_000)) && lease.is_trusted(&at(6_499)));
        assert!(!lease.is_trusted(&at(6_500)));
    }

    #[test]
    fn any_clock_alone_ends_the_trust() {
        let lease = Lease::confirmed(at(1_000));
        for gap in [
            Moment { monotonic_ms: 6_500, ..at(1_500) },
            Moment { boot_ms: 6_500, ..at(1_500) },
            Moment { wall_us: 6_500_000, ..at(1_500) },
            Moment { wall_us: 999_000, ..at(1_500) },
        ] {
            assert!(!lease.is_trusted(&gap), "{gap:?}");
            // A clock that steps forward and back again does not restore it.
            let seen = lease.observed(&gap);
            assert!(!seen.is_trusted(&at(1_600)), "{gap:?}");
            assert!(Lease::confirmed(gap).is_trusted(&gap), "the database confirms it");
        }
    }

    #[test]
    fn an_outage_keeps_what_was_trusted_when_it_began_as_long_as_the_process_runs() {
        let mut lease = Lease::confirmed(at(1_000)).unavailable(&at(2_000));
        for ms in (2_000..60_000).step_by(250) {
            lease = lease.observed(&at(ms)).unavailable(&at(ms));
            assert!(lease.is_kept_by_outage(&at(ms)));
        }
        assert!(!lease.is_trusted(&at(60_000)));
        assert!(!lease.is_kept_by_outage(&at(66_000)), "a gap");
        let paused = lease.observed(&at(66_000));
        assert!(!paused.unavailable(&at(66_100)).is_kept_by_outage(&at(66_100)), "a failure after the gap");
        assert!(!Lease::confirmed(at(70_000)).is_kept_by_outage(&at(70_000)), "the database is back");
    }

    #[test]
    fn a_lease_that_lapsed_without_a_failed_renewal_is_not_kept_by_a_later_failure() {
        let lease = Lease::confirmed(at(1_000));
        assert!(!lease.unavailable(&at(26_000)).is_kept_by_outage(&at(26_000)));
        assert!(!lease.observed(&at(26_000)).unavailable(&at(26_001)).is_kept_by_outage(&at(26_001)));
    }
}
