//! The only module that reads the time.
//!
//! Timestamps are wall clock time (which can step), durations are monotonic (which cannot). Code that needs either
//! accepts a [`Clock`], so a test can stop time or advance it by an hour. A lease is measured by a [`Moment`]: all
//! clocks at once, because each of them misses a pause that another one shows.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Instant;

use jiff::Timestamp;

/// A source of time.
pub trait Clock: Send + Sync + 'static {
    /// Reads the wall clock, for timestamps and for the choice of a tariff window.
    fn now(&self) -> Timestamp;
    /// Returns milliseconds since an arbitrary start; never decreases, and stops while the machine is suspended.
    fn monotonic_ms(&self) -> u64;
    /// Returns milliseconds since an arbitrary start; never decreases, and continues while the machine is suspended.
    fn boot_ms(&self) -> u64;

    /// Reads all clocks together.
    fn moment(&self) -> Moment {
        Moment {
            wall_us: self.now().as_microsecond(),
            monotonic_ms: self.monotonic_ms(),
            boot_ms: self.boot_ms(),
        }
    }
}

/// A reading of all clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Microseconds of the wall clock since the Unix epoch.
    pub wall_us: i64,
    /// See [`Clock::monotonic_ms`].
    pub monotonic_ms: u64,
    /// See [`Clock::boot_ms`].
    pub boot_ms: u64,
}

impl Moment {
    /// Reports whether less than `most_ms` have passed since `earlier` by every clock. A wall clock that has stepped
    /// back counts as an unknown time.
    pub fn is_within(&self, earlier: &Self, most_ms: u64) -> bool {
        let passed = |now: u64, then: u64| now.checked_sub(then).is_some_and(|passed| passed < most_ms);
        let limit_us = i64::try_from(most_ms).unwrap_or(i64::MAX).saturating_mul(1_000);
        passed(self.monotonic_ms, earlier.monotonic_ms)
            && passed(self.boot_ms, earlier.boot_ms)
            && (0..limit_us).contains(&self.wall_us.saturating_sub(earlier.wall_us))
    }
}

/// The clocks of the machine.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// Creates a clock whose monotonic time starts at zero now.
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the place the rule points to")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn boot_ms(&self) -> u64 {
        let since_boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(since_boot.tv_sec).unwrap_or(0);
        seconds
            .saturating_mul(1_000)
            .saturating_add(u64::try_from(since_boot.tv_nsec).unwrap_or(0) / 1_000_000)
    }
}

/// The machine's clocks with time that can be skipped, for a demonstration without waiting.
#[derive(Debug, Default)]
pub struct SkippingClock {
    machine: SystemClock,
    skipped_ms: AtomicU64,
}

impl SkippingClock {
    /// Advances both clocks at once.
    pub fn skip(&self, time: std::time::Duration) {
        self.skipped_ms.fetch_add(u64::try_from(time.as_millis()).unwrap_or(0), Ordering::SeqCst);
    }
}

impl Clock for SkippingClock {
    fn now(&self) -> Timestamp {
        let skipped = i64::try_from(self.skipped_ms.load(Ordering::SeqCst)).unwrap_or(0);
        let now = self.machine.now();
        now.checked_add(jiff::SignedDuration::from_millis(skipped)).unwrap_or(now)
    }

    fn monotonic_ms(&self) -> u64 {
        self.machine.monotonic_ms().saturating_add(self.skipped_ms.load(Ordering::SeqCst))
    }

    fn boot_ms(&self) -> u64 {
        self.machine.boot_ms().saturating_add(self.skipped_ms.load(Ordering::SeqCst))
    }
}

/// A clock that moves only on request.
#[derive(Debug)]
pub struct ManualClock {
    wall_us: AtomicI64,
    monotonic_ms: AtomicU64,
    boot_ms: AtomicU64,
}

impl ManualClock {
    /// Creates a clock stopped at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self {
            wall_us: AtomicI64::new(now.as_microsecond()),
            monotonic_ms: AtomicU64::new(0),
            boot_ms: AtomicU64::new(0),
        }
    }

    /// Advances all clocks.
    pub fn advance_ms(&self, ms: u32) {
        self.suspend_ms(ms);
        self.monotonic_ms.fetch_add(u64::from(ms), Ordering::SeqCst);
    }

    /// Advances the clocks as on a suspended machine: the monotonic clock stops.
    pub fn suspend_ms(&self, ms: u32) {
        self.wall_us.fetch_add(i64::from(ms) * 1_000, Ordering::SeqCst);
        self.boot_ms.fetch_add(u64::from(ms), Ordering::SeqCst);
    }

    /// Steps the wall clock alone, like a time server.
    pub fn step_wall_ms(&self, ms: i64) {
        self.wall_us.fetch_add(ms * 1_000, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.wall_us.load(Ordering::SeqCst)).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    fn monotonic_ms(&self) -> u64 {
        self.monotonic_ms.load(Ordering::SeqCst)
    }

    fn boot_ms(&self) -> u64 {
        self.boot_ms.load(Ordering::SeqCst)
    }
}
