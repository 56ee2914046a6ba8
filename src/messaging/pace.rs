//! How fast a provider is given messages: so many a second, evenly, and not at all for a while after it said so.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The longest pause: nobody may silence a provider for long.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The pace of one provider.
#[derive(Debug)]
pub(super) struct Pace {
    each: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the next message may go.
    next: Instant,
    /// Until when none may.
    paused_until: Instant,
    /// Times in a row that nothing was taken.
    refusals: u32,
}

impl Pace {
    /// So many messages a second.
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

    /// Waits for the next place. Who waits and gives up has lost it.
    pub(super) async fn place(&self) {
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

    /// How many messages may be taken up now so that the last of them goes within `ahead`; none during a pause.
    pub(super) fn room(&self, ahead: Duration) -> usize {
        let state = self.state();
        let now = Instant::now();
        if state.paused_until > now {
            return 0;
        }
        let left = (now + ahead).saturating_duration_since(state.next.max(now));
        let places = left.as_nanos() / self.each.as_nanos().max(1);
        // Somebody who waits longer than `ahead` for each place still gets one at a time.
        usize::try_from(places).unwrap_or(usize::MAX).max(usize::from(state.next <= now))
    }

    /// Whether the provider is left alone at the moment.
    pub(super) fn is_paused(&self) -> bool {
        self.state().paused_until > Instant::now()
    }

    /// The provider took one: it is well.
    pub(super) fn taken(&self) {
        self.state().refusals = 0;
    }

    /// The provider took nothing, or nobody knows, and is left alone so long: each time in a row twice as long. What comes
    /// back during a pause was given to it before, and is not another time.
    pub(super) fn not_taken(&self, pause: Duration) {
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
            pace.place().await;
        }
        assert_eq!(begun.elapsed().as_millis(), 1_000);
        assert_eq!(pace.room(Duration::from_millis(500)), 4);
        pace.not_taken(Duration::from_secs(1));
        assert_eq!(pace.room(Duration::from_secs(9)), 0);
        pace.place().await;
        assert_eq!(begun.elapsed().as_millis(), 2_000);
        pace.not_taken(Duration::from_secs(1));
        pace.place().await;
        assert_eq!(begun.elapsed().as_millis(), 4_000);
        pace.taken();
        pace.not_taken(Duration::from_mins(5));
        pace.place().await;
        assert_eq!(begun.elapsed().as_secs(), 34, "nobody may silence a provider for long");
    }

    #[tokio::test(start_paused = true)]
    async fn many_that_are_not_taken_at_once_are_one_time_and_a_pause_holds_for_who_waits_already() {
        let pace = std::sync::Arc::new(Pace::new(10));
        let begun = Instant::now();
        pace.place().await;
        let waiting = std::sync::Arc::clone(&pace);
        let waiting = tokio::spawn(async move { waiting.place().await });
        tokio::task::yield_now().await;
        for _ in 0..50 {
            pace.not_taken(Duration::from_secs(1));
        }
        waiting.await.unwrap();
        assert_eq!(begun.elapsed().as_millis(), 1_000);
    }
}
