//! The pace of messages to a provider: evenly at a rate, and none during a pause.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The pace of one provider.
#[derive(Debug)]
pub(super) struct Pace {
    each: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Time of the next slot.
    next: Instant,
    /// End of the present pause.
    paused_until: Instant,
    /// Consecutive failures.
    refusals: u32,
}

impl Pace {
    /// A pace of so many messages a second.
    pub(super) fn new(per_second: u32) -> Self {
        let now = Instant::now();
        Self {
            each: Duration::from_secs(1) / per_second.max(1),
            state: Mutex::new(State { next: now, paused_until: now, refusals: 0 }),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next slot. A slot whose wait is dropped is lost.
    pub(super) async fn wait_for_slot(&self) {
        loop {
            let at = {
                let mut state = self.state();
                let at = state.next.max(state.paused_until).max(Instant::now());
                state.next = at + self.each;
                at
            };
            tokio::time::sleep_until(at).await;
            // The provider may have asked for a pause meanwhile.
            if !self.is_paused() {
                return;
            }
        }
    }

    /// Number of messages that may be claimed now so that the last of them goes within `ahead`; 0 during a pause.
    pub(super) fn capacity(&self, ahead: Duration) -> usize {
        let state = self.state();
        let now = Instant::now();
        if state.paused_until > now {
            return 0;
        }
        let left = (now + ahead).saturating_duration_since(state.next.max(now));
        let places = left.as_nanos() / self.each.as_nanos().max(1);
        // At a rate below one per `ahead`, one at a time.
        usize::try_from(places).unwrap_or(usize::MAX).max(usize::from(state.next <= now))
    }

    /// Reports whether the provider is paused.
    pub(super) fn is_paused(&self) -> bool {
        self.state().paused_until > Instant::now()
    }

    /// Records that the provider has accepted or refused a message: it works.
    pub(super) fn record_success(&self) {
        self.state().refusals = 0;
    }

    /// Records that the provider has not accepted a message, or gave no answer, and pauses it: each consecutive time twice as
    /// long. A failure during a pause is of a message submitted before, and does not count again.
    pub(super) fn record_failure(&self, pause: Duration) {
        let mut state = self.state();
        let now = Instant::now();
        if state.paused_until > now {
            state.paused_until = state.paused_until.max(now + pause.min(LONGEST_PAUSE));
            return;
        }
        let pause = pause.saturating_mul(1 << state.refusals.min(5)).min(LONGEST_PAUSE);
        state.refusals = state.refusals.saturating_add(1);
        state.paused_until = now + pause;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn messages_go_evenly_at_the_rate_and_not_in_a_pause() {
        let pace = Pace::new(10);
        let begun = Instant::now();
        for _ in 0..11 {
            pace.wait_for_slot().await;
        }
        assert_eq!(begun.elapsed().as_millis(), 1_000);
        assert_eq!(pace.capacity(Duration::from_millis(500)), 4);
        pace.record_failure(Duration::from_secs(1));
        assert_eq!(pace.capacity(Duration::from_secs(9)), 0);
        pace.wait_for_slot().await;
        assert_eq!(begun.elapsed().as_millis(), 2_000);
        pace.record_failure(Duration::from_secs(1));
        pace.wait_for_slot().await;
        assert_eq!(begun.elapsed().as_millis(), 4_000);
        pace.record_success();
        pace.record_failure(Duration::from_mins(5));
        pace.wait_for_slot().await;
        assert_eq!(begun.elapsed().as_secs(), 34, "nobody may silence a provider for long");
    }

    #[tokio::test(start_paused = true)]
    async fn many_that_are_not_taken_at_once_are_one_time_and_a_pause_holds_for_who_waits_already() {
        let pace = std::sync::Arc::new(Pace::new(10));
        let begun = Instant::now();
        pace.wait_for_slot().await;
        let waiting = std::sync::Arc::clone(&pace);
        let waiting = tokio::spawn(async move { waiting.wait_for_slot().await });
        tokio::task::yield_now().await;
        for _ in 0..50 {
            pace.record_failure(Duration::from_secs(1));
        }
        waiting.await.unwrap();
        assert_eq!(begun.elapsed().as_millis(), 1_000);
    }
}
