//! The one place that reads the time.
//!
//! Stamps are wall clock (they can step), durations are monotonic (they cannot). Everything that needs either takes
//! a [`Clock`], so a test can hold time still or move it by an hour.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Instant;

use jiff::Timestamp;

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock, for stamps and for choosing a tariff window.
    fn now(&self) -> Timestamp;
    /// Milliseconds since an arbitrary start; never goes back.
    fn monotonic_ms(&self) -> u64;
}

/// The machine's own clocks.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic side starts at zero now.
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
}

/// The machine's clocks, with time that can be skipped: for a demonstration that need not wait.
#[derive(Debug, Default)]
pub struct SkippingClock {
    machine: SystemClock,
    skipped_ms: AtomicU64,
}

impl SkippingClock {
    /// Lets time pass at once, on both clocks.
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
}

/// A clock that moves when told to.
#[derive(Debug)]
pub struct ManualClock {
    wall_us: AtomicI64,
    monotonic_ms: AtomicU64,
}

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self { wall_us: AtomicI64::new(now.as_microsecond()), monotonic_ms: AtomicU64::new(0) }
    }

    /// Lets time pass on both clocks.
    pub fn advance_ms(&self, ms: u32) {
        self.wall_us.fetch_add(i64::from(ms) * 1_000, Ordering::SeqCst);
        self.monotonic_ms.fetch_add(u64::from(ms), Ordering::SeqCst);
    }

    /// Steps the wall clock alone, as a time server would.
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
}
