//! Delays after wrong passwords.
//!
//! Tries are counted by login, whether or not an account has it: a delay reveals nothing about the login. The delay is
//! bounded, and tries before its end are not counted. Where the portal passes its customer's address, each address of a
//! login has tries of its own: an attacker at one address blocks no other. Where it does not, an attacker uses up the
//! tries of everybody with that login.

use std::net::IpAddr;
use std::sync::Arc;

use dashmap::DashMap;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::clock::Clock;

/// Wrong tries without a delay, to allow for typing errors.
const FREE_TRIES: u32 = 5;
/// Maximum delay, in seconds.
const MAX_WAIT_S: u64 = 60;
/// Time for which wrong tries are remembered after the last one, in milliseconds.
const REMEMBERED_MS: u64 = 3_600_000;
/// Maximum logins remembered at once; beyond it those with the oldest last try are forgotten.
const MAX_REMEMBERED: usize = 100_000;

/// Maximum tries of one login that wait for its current try.
const MAX_WAITING: usize = 32;

/// Wrong tries of one login.
#[derive(Clone, Copy, Debug, Default)]
struct Tries {
    wrong: u32,
    last_ms: u64,
}

impl Tries {
    fn is_forgotten(self, now_ms: u64) -> bool {
        self.wrong == 0 || now_ms.saturating_sub(self.last_ms) >= REMEMBERED_MS
    }

    /// Returns the seconds until the next try is checked: 1 after the fifth wrong one, then 2, 4, and so on.
    fn wait_s(self, now_ms: u64) -> u32 {
        if self.is_forgotten(now_ms) || self.wrong < FREE_TRIES {
            return 0;
        }
        let doublings = (self.wrong - FREE_TRIES).min(6);
        let until_ms = self.last_ms.saturating_add((1_u64 << doublings).min(MAX_WAIT_S) * 1_000);
        u32::try_from(until_ms.saturating_sub(now_ms).div_ceil(1_000)).unwrap_or(u32::MAX)
    }
}

/// Builds the key of a count: a login, with the source address where it is known. No login contains a line end.
fn name(login: &str, from: Option<IpAddr>) -> String {
    from.map_or_else(|| login.to_owned(), |from| format!("{login}\n{from}"))
}

/// The wrong tries of all logins, separate for each reseller.
#[derive(Debug, Default)]
pub struct Delays {
    tries: DashMap<(i64, Box<str>), Arc<Mutex<Tries>>>,
}

/// Permission for one try. Concurrent tries of the same login wait until it ends, so that no more tries are checked
/// than are counted.
#[derive(Debug)]
pub struct Try {
    tries: OwnedMutexGuard<Tries>,
}

impl Delays {
    /// Begins a try, or returns the seconds until the next one is allowed.
    pub async fn begin(
        &self,
        reseller_id: i64,
        login: &str,
        from: Option<IpAddr>,
        clock: &dyn Clock,
    ) -> Result<Try, u32> {
        let key = (reseller_id, Box::from(name(login, from).as_str()));
        if self.tries.len() >= MAX_REMEMBERED && !self.tries.contains_key(&key) {
            self.make_room(clock.monotonic_ms());
        }
        let tries = Arc::clone(&self.tries.entry(key).or_default());
        // The map holds one reference, each try another one.
        if Arc::strong_count(&tries) > MAX_WAITING + 2 {
            return Err(1);
        }
        let mut tries = tries.lock_owned().await;
        let now_ms = clock.monotonic_ms();
        if tries.is_forgotten(now_ms) {
            *tries = Tries::default();
        }
        match tries.wait_s(now_ms) {
            0 => Ok(Try { tries }),
            seconds => Err(seconds),
        }
    }

    /// Forgets a login's wrong tries, because its password has changed.
    pub fn forget(&self, reseller_id: i64, login: &str) {
        let of_address = name(login, None) + "\n";
        self.tries.retain(|(owner, name), _| {
            *owner != reseller_id || !(**name == *login || name.starts_with(&of_address))
        });
    }

    /// Forgets logins without a recent try.
    pub fn forget_idle(&self, now_ms: u64) {
        // A login with a try in progress holds the lock and is kept.
        self.tries.retain(|_, tries| tries.try_lock().map_or(true, |tries| !tries.is_forgotten(now_ms)));
    }

    fn make_room(&self, now_ms: u64) {
        self.forget_idle(now_ms);
        if self.tries.len() < MAX_REMEMBERED {
            return;
        }
        let last = |tries: &Arc<Mutex<Tries>>| tries.try_lock().map_or(u64::MAX, |tries| tries.last_ms);
        let mut all: Vec<u64> = self.tries.iter().map(|entry| last(entry.value())).collect();
        all.sort_unstable();
        let middle = all[all.len() / 2];
        self.tries.retain(|_, tries| last(tries) > middle);
    }
}

impl Try {
    /// Ends the try with a correct password: forgets earlier wrong tries.
    pub fn right(mut self) {
        *self.tries = Tries::default();
    }

    /// Ends the try with a wrong password.
    pub fn wrong(mut self, clock: &dyn Clock) {
        self.tries.wrong = self.tries.wrong.saturating_add(1);
        self.tries.last_ms = clock.monotonic_ms();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[tokio::test]
    async fn the_wait_doubles_to_a_minute_and_early_tries_do_not_lengthen_it() {
        let (delays, clock) = (Delays::default(), ManualClock::at(jiff::Timestamp::UNIX_EPOCH));
        for _ in 0..FREE_TRIES {
            delays.begin(1, "alice", None, &clock).await.unwrap().wrong(&clock);
        }
        for wanted in [1, 2, 4, 8, 16, 32, 60, 60] {
            for _ in 0..3 {
                assert_eq!(delays.begin(1, "alice", None, &clock).await.unwrap_err(), wanted);
            }
            assert!(
                delays.begin(2, "alice", None, &clock).await.is_ok(),
                "another reseller's login is another"
            );
            clock.advance_ms(wanted * 1_000);
            delays.begin(1, "alice", None, &clock).await.unwrap().wrong(&clock);
        }
        clock.advance_ms(60_000);
        delays.begin(1, "alice", None, &clock).await.unwrap().right();
        for _ in 0..FREE_TRIES {
            delays.begin(1, "alice", None, &clock).await.unwrap().wrong(&clock);
        }
        assert_eq!(delays.begin(1, "alice", None, &clock).await.unwrap_err(), 1);
        clock.advance_ms(3_600_000);
        delays.begin(1, "alice", None, &clock).await.unwrap().wrong(&clock);
        assert!(delays.begin(1, "alice", None, &clock).await.is_ok(), "an hour later it is forgotten");
    }

    #[tokio::test]
    async fn what_is_remembered_has_a_bound_and_the_newest_stay() {
        let (delays, clock) = (Delays::default(), ManualClock::at(jiff::Timestamp::UNIX_EPOCH));
        for number in 0..=MAX_REMEMBERED {
            clock.advance_ms(1);
            let login = number.to_string();
            delays.begin(1, &login, None, &clock).await.unwrap().wrong(&clock);
        }
        assert!(delays.tries.len() <= MAX_REMEMBERED);
        assert!(delays.tries.contains_key(&(1, Box::from(MAX_REMEMBERED.to_string().as_str()))));
        assert!(delays.tries.contains_key(&(1, Box::from((MAX_REMEMBERED - 1).to_string().as_str()))));
        delays.forget_idle(clock.monotonic_ms() + REMEMBERED_MS);
        assert_eq!(delays.tries.len(), 0);
    }

    #[tokio::test]
    async fn tries_that_wait_for_one_login_are_bounded() {
        let (delays, clock) = (Arc::new(Delays::default()), ManualClock::at(jiff::Timestamp::UNIX_EPOCH));
        let current = delays.begin(1, "alice", None, &clock).await.unwrap();
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..MAX_WAITING {
            let (delays, clock) = (Arc::clone(&delays), ManualClock::at(jiff::Timestamp::UNIX_EPOCH));
            waiting.spawn(async move { delays.begin(1, "alice", None, &clock).await.map(Try::right) });
        }
        let entered =
            |delays: &Delays| Arc::strong_count(&delays.tries.get(&(1, Box::from("alice"))).unwrap());
        while entered(&delays) < MAX_WAITING + 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(delays.begin(1, "alice", None, &clock).await.unwrap_err(), 1);
        assert!(delays.begin(1, "bob", None, &clock).await.is_ok());
        current.right();
        while let Some(ended) = waiting.join_next().await {
            ended.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn who_guesses_from_one_address_keeps_nobody_out_at_another() {
        let (delays, clock) = (Delays::default(), ManualClock::at(jiff::Timestamp::UNIX_EPOCH));
        let [guesser, owner]: [Option<IpAddr>; 2] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().ok());
        for _ in 0..FREE_TRIES {
            delays.begin(1, "alice", guesser, &clock).await.unwrap().wrong(&clock);
        }
        assert_eq!(delays.begin(1, "alice", guesser, &clock).await.unwrap_err(), 1);
        delays.begin(1, "alice", owner, &clock).await.unwrap().right();
        delays.forget(1, "alice");
        assert!(delays.begin(1, "alice", guesser, &clock).await.is_ok());
    }
}
