//! Limits on guessing codes, passwords, logins and addresses. A taken login or address counts as a wrong guess too: logins are
//! one namespace, so the refusal cannot be hidden, but it cannot be probed by the thousand.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::http::StatusCode;
use dashmap::DashMap;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::error::ApiError;

/// Time for which a wrong guess counts: an hour.
const WINDOW_MS: u64 = 3_600_000;
/// Maximum number of waiting guesses of an account.
const MAX_WAITING: usize = 128;
/// Number of entries from which expired ones are removed.
const SWEEP_ABOVE: usize = 1_000;

/// A kind of guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Guess {
    /// The code of a voucher.
    Voucher,
    /// The password of an account.
    Password,
    /// A free login.
    Login,
    /// A free address.
    Address,
}

impl Guess {
    /// Maximum number of wrong guesses of an account within [`WINDOW_MS`]. Taken logins are often chosen in good faith.
    const fn most(self) -> usize {
        match self {
            Self::Voucher | Self::Password | Self::Address => 10,
            Self::Login => 20,
        }
    }
}

type Failures = Arc<Mutex<VecDeque<u64>>>;

/// The wrong guesses that still count, in memory: who can restart the service need not guess.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    failures: DashMap<(Guess, i64), Failures>,
}

/// A guess in progress, the only one of its account.
#[derive(Debug)]
pub(super) struct Attempt {
    failures: OwnedMutexGuard<VecDeque<u64>>,
    now_ms: u64,
}

impl Attempts {
    /// Waits for the account's other guesses; refuses where too many were wrong. `now_ms` is monotonic.
    pub(super) async fn begin(
        &self,
        guess: Guess,
        account_id: i64,
        now_ms: u64,
    ) -> Result<Attempt, ApiError> {
        let failures = Arc::clone(&self.failures.entry((guess, account_id)).or_default());
        // The map has one reference, each guess another one.
        if Arc::strong_count(&failures) > MAX_WAITING + 2 {
            return Err(refusal("too many attempts at once; try again later", 1));
        }
        let mut failures = failures.lock_owned().await;
        forget(&mut failures, now_ms);
        if self.failures.len() > SWEEP_ABOVE {
            self.failures.retain(|_, others| {
                // A guess in progress and those waiting hold a reference too.
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
            _ => Ok(Attempt { failures, now_ms }),
        }
    }
}

impl Attempt {
    /// Counts the guess as wrong.
    pub(super) fn count_failure(&mut self) {
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
    async fn after_ten_wrong_guesses_an_account_is_refused_and_no_other_is() {
        let attempts = Attempts::default();
        for at in 0..10 {
            attempts.begin(Guess::Voucher, 100, at * 1_000).await.unwrap().count_failure();
        }
        let error = attempts.begin(Guess::Voucher, 100, 10_000).await.unwrap_err();
        assert_eq!((error.status.as_u16(), error.retry_after), (429, Some(3_591)));
        drop(attempts.begin(Guess::Voucher, 101, 10_000).await.unwrap());
        drop(attempts.begin(Guess::Password, 100, 10_000).await.unwrap());
        drop(attempts.begin(Guess::Voucher, 100, WINDOW_MS).await.unwrap());
    }

    #[tokio::test]
    async fn waiting_guesses_of_an_account_are_limited() {
        let attempts = Arc::new(Attempts::default());
        let current = attempts.begin(Guess::Password, 100, 0).await.unwrap();
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..MAX_WAITING {
            let attempts = Arc::clone(&attempts);
            waiting.spawn(async move { attempts.begin(Guess::Password, 100, 0).await.map(drop) });
        }
        while Arc::strong_count(&attempts.failures.get(&(Guess::Password, 100)).unwrap()) < MAX_WAITING + 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(attempts.begin(Guess::Password, 100, 0).await.unwrap_err().retry_after, Some(1));
        drop(attempts.begin(Guess::Password, 101, 0).await.unwrap());
        drop(current);
        while let Some(ended) = waiting.join_next().await {
            ended.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn entries_without_recent_guesses_are_removed() {
        let attempts = Attempts::default();
        for id in 0..=1_000 {
            attempts.begin(Guess::Voucher, id, 0).await.unwrap().count_failure();
        }
        drop(attempts.begin(Guess::Voucher, 5_000, WINDOW_MS).await.unwrap());
        assert!(attempts.failures.len() <= 1, "{}", attempts.failures.len());
    }
}
