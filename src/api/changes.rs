//! Budgets of unpaid changes: each may leave rows in the database, so an account has a number of them a minute and a day.
//! Changes that leave rows for ever have a budget of their own.

use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::StatusCode;
use governor::clock::{Clock as _, MonotonicClock};
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use super::error::ApiError;
use crate::config::Limits;

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// The change that a request makes without paying for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changes {
    /// None: the request only reads, or pays for the rows it writes.
    Nothing,
    /// A change without a further budget.
    Something,
    /// The prices of a plan.
    Prices,
    /// Creates a campaign.
    Campaign,
    /// Creates a client.
    Client,
}

/// A bucket for each account, filled evenly.
#[derive(Debug)]
struct Bucket {
    limiter: RateLimiter<i64, DashMapStateStore<i64>, MonotonicClock>,
    /// For the message.
    bound: String,
}

impl Bucket {
    /// `number` in a period, `at_once` of them without a wait.
    fn new(number: u32, period: Duration, at_once: u32, bound: String) -> Self {
        // The configuration is checked to be above zero.
        let number = number.max(1);
        let burst = NonZeroU32::new(at_once).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(period / number)
            .unwrap_or_else(|| Quota::per_second(NonZeroU32::MAX))
            .allow_burst(burst);
        Self { limiter: RateLimiter::new(quota, DashMapStateStore::default(), MonotonicClock), bound }
    }

    fn take(&self, account_id: i64) -> Result<(), ApiError> {
        self.limiter.check_key(&account_id).map_err(|not_until| {
            let wait = not_until.wait_time_from(MonotonicClock.now());
            let message = format!("too many changes: {}; try again later", self.bound);
            let mut error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_changes", message);
            error.retry_after = Some(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1));
            error
        })
    }
}

/// The budgets of all accounts.
#[derive(Debug)]
pub(super) struct Budgets {
    minute: Bucket,
    day: Bucket,
    prices: Bucket,
    campaigns: Bucket,
    clients: Bucket,
}

impl Budgets {
    /// As configured.
    pub(super) fn new(limits: &Limits) -> Self {
        let a_day = |number: u32, what: &str| {
            Bucket::new(number, DAY, number, format!("at most {number} {what} a day"))
        };
        let (minute, hour) = (limits.changes_per_minute, limits.new_clients_per_hour);
        Self {
            minute: Bucket::new(
                minute,
                Duration::from_mins(1),
                minute / 4,
                format!("at most {minute} changes a minute"),
            ),
            day: a_day(limits.changes_per_day, "changes"),
            prices: a_day(limits.price_changes_per_day, "changes of prices"),
            campaigns: a_day(limits.campaigns_per_day, "campaigns"),
            clients: Bucket::new(hour, HOUR, hour / 4, format!("at most {hour} new clients an hour")),
        }
    }

    /// Takes one change from an account's budgets.
    pub(super) fn take(&self, changes: Changes, account_id: i64) -> Result<(), ApiError> {
        if changes == Changes::Nothing {
            return Ok(());
        }
        self.minute.take(account_id)?;
        self.day.take(account_id)?;
        match changes {
            Changes::Nothing | Changes::Something => Ok(()),
            Changes::Prices => self.prices.take(account_id),
            Changes::Campaign => self.campaigns.take(account_id),
            Changes::Client => self.clients.take(account_id),
        }
    }

    /// Forgets accounts whose budgets are full again.
    pub(super) fn forget_idle(&self) {
        for bucket in [&self.minute, &self.day, &self.prices, &self.campaigns, &self.clients] {
            bucket.limiter.retain_recent();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number of changes that an account may make without a wait, and the refusal of the next.
    fn in_a_row(budgets: &Budgets, changes: Changes, account_id: i64) -> (usize, ApiError) {
        for made in 0..10_000 {
            if let Err(error) = budgets.take(changes, account_id) {
                return (made, error);
            }
        }
        panic!("10,000 changes in a row");
    }

    #[test]
    fn a_quarter_of_a_minutes_changes_may_be_made_at_once() {
        // Slow enough that nothing is refilled meanwhile.
        let budgets = Budgets::new(&Limits { changes_per_minute: 8, ..Limits::default() });
        let (made, error) = in_a_row(&budgets, Changes::Something, 1);
        assert_eq!((made, error.status.as_u16(), error.code), (2, 429, "too_many_changes"));
        assert_eq!(error.message, "too many changes: at most 8 changes a minute; try again later");
        assert!((1..=8).contains(&error.retry_after.unwrap()), "{error:?}");
        assert_eq!(in_a_row(&budgets, Changes::Something, 2).0, 2, "another account has its own budget");
        assert!(budgets.take(Changes::Nothing, 1).is_ok());
    }

    #[test]
    fn changes_with_permanent_rows_have_budgets_of_their_own() {
        let limits = Limits {
            changes_per_minute: 4_000,
            changes_per_day: 9,
            price_changes_per_day: 3,
            campaigns_per_day: 4,
            new_clients_per_hour: 8,
            ..Limits::default()
        };
        for (changes, most) in
            [(Changes::Something, 9), (Changes::Prices, 3), (Changes::Campaign, 4), (Changes::Client, 2)]
        {
            let (made, error) = in_a_row(&Budgets::new(&limits), changes, 1);
            assert_eq!((made, error.status.as_u16()), (most, 429), "{changes:?}: {error:?}");
        }
    }
}
