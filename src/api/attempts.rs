//! Guessing is slow: an account that has guessed wrong too often waits. A login or an address that somebody else has is
//! a wrong guess too: logins are one namespace, so a refusal cannot be hidden, but it cannot be asked for by the thousand.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::http::StatusCode;
use dashmap::DashMap;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::error::ApiError;

/// How long a wrong guess counts: an hour.
const WINDOW_MS: u64 = 3_600_000;
/// Guesses of one account that wait for its current one.
const MAX_WAITING: usize = 128;
/// Accounts that are remembered before those are forgotten whose guesses no longer count.
const SWEEP_ABOVE: usize = 1_000;

/// What can be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Guess {
    /// The code of a voucher.
    Voucher,
    /// The password of an account.
    Password,
    /// A login that nobody has.
    Login,
    /// An address that nobody has.
    Address,
}

impl Guess {
    /// Wrong guesses of one account within [`WINDOW_MS`]. People choose logins that others have without meaning harm.
    const fn most(self) -> usize {
        match self {
            Self::Voucher | Self::Password | Self::Address => 10,
            Self::Login => 20,
        }
    }
}

type Failures = Arc<Mutex<VecDeque<u64>>>;

/// The wrong guesses that still count. In memory: whoever could restart the service need not guess.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    failures: DashMap<(Guess, i64), Failures>,
}

/// An account's turn to guess: no other guess of it is under way.
#[derive(Debug)]
pub(super) struct Turn {
    failures: OwnedMutexGuard<VecDeque<u64>>,
    now_ms: u64,
}

impl Attempts {
    /// Waits for the account's other guesses; refused where too many of them were wrong. `now_ms` is monotonic.
    pub(super) async fn turn(&self, guess: Guess, account_id: i64, now_ms: u64) -> Result<Turn, ApiError> {
        let failures = Arc::clone(&self.failures.entry((guess, account_id)).or_default());
        // The map has one reference, each guess another one.
        if Arc::strong_count(&failures) > MAX_WAITING + 2 {
            return Err(refusal("too many attempts at once; try again later", 1));
        }
        let mut failures = failures.lock_owned().await;
        forget(&mut failures, now_ms);
        if self.failures.len() > SWEEP_ABOVE {
            self.failures.retain(|_, others| {
                // Whoever guesses, or waits for his turn, knows it too.
                Arc::strong_count(others) > 1
                    || others.try_lock().map_or(true, |mut others| {
                        forget(&mut others, now_ms);
                        !others.is_empty()
                    })
            });
        }
        match failures.front() {
            Some(oldest) if failures.len() >= guess.most() => {
                let wait_ms = (oldest + WINDOW_MS).saturating_sub(now_ms);
                let seconds = u32::try_from(wait_ms / 1_000).unwrap_or(u32::MAX).saturating_add(1);
                Err(refusal("too many wrong attempts; try again later", seconds))
            }
            _ => Ok(Turn { failures, now_ms }),
        }
    }
}

impl Turn {
    /// It was wrong.
    pub(super) fn failed(&mut self) {
        self.failures.push_back(self.now_ms);
    }
}

fn refusal(message: &str, retry_after_s: u32) -> ApiError {
    let mut error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", message);
    error.retry_after = Some(retry_after_s);
    error
}

fn forget(failures: &mut VecDeque<u64>, now_ms: u64) {
    while failures.front().is_some_and(|at| at + WINDOW_MS <= now_ms) {
        failures.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn after_ten_wrong_guesses_an_account_waits_and_no_other_does() {
        let attempts = Attempts::default();
        for at in 0..10 {
            attempts.turn(Guess::Voucher, 100, at * 1_000).await.unwrap().failed();
        }
        let error = attempts.turn(Guess::Voucher, 100, 10_000).await.unwrap_err();
        assert_eq!((error.status.as_u16(), error.retry_after), (429, Some(3_591)));
        drop(attempts.turn(Guess::Voucher, 101, 10_000).await.unwrap());
        drop(attempts.turn(Guess::Password, 100, 10_000).await.unwrap());
        drop(attempts.turn(Guess::Voucher, 100, WINDOW_MS).await.unwrap());
    }

    #[tokio::test]
    async fn guesses_that_wait_for_one_account_are_bounded() {
        let attempts = Arc::new(Attempts::default());
        let current = attempts.turn(Guess::Password, 100, 0).await.unwrap();
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..MAX_WAITING {
            let attempts = Arc::clone(&attempts);
            waiting.spawn(async move { attempts.turn(Guess::Password, 100, 0).await.map(drop) });
        }
        while Arc::strong_count(&attempts.failures.get(&(Guess::Password, 100)).unwrap()) < MAX_WAITING + 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(attempts.turn(Guess::Password, 100, 0).await.unwrap_err().retry_after, Some(1));
        drop(attempts.turn(Guess::Password, 101, 0).await.unwrap());
        drop(current);
        while let Some(ended) = waiting.join_next().await {
            ended.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn who_does_not_guess_any_more_is_forgotten() {
        let attempts = Attempts::default();
        for id in 0..=1_000 {
            attempts.turn(Guess::Voucher, id, 0).await.unwrap().failed();
        }
        drop(attempts.turn(Guess::Voucher, 5_000, WINDOW_MS).await.unwrap());
        assert!(attempts.failures.len() <= 1, "{}", attempts.failures.len());
    }
}
