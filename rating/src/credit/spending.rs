//! Spending per day.
//!
//! The rule: every day that has begun for an account counts until it is over, whatever zone the account's plan is in
//! meanwhile, and the daily limit binds each of them. So a change to a plan in another zone renews nothing: the day of
//! the earlier zone runs beside the day of the present one, and neither sees more than the limit. Time moves only
//! forward: a clock that is set back renews nothing either.
//!
//! Spending counts in the day in which it is settled, so whatever is held may yet be spent today, and counts too.

use crate::money::Money;

const DAY_S: i64 = 86_400;

/// A moment, and the day around it in the zone of an account's plan: from its midnight to the next. Seconds since any
/// fixed moment, the same for all days.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Day {
    start: i64,
    end: i64,
    at: i64,
}

impl Day {
    /// No day: of an account whose spending is not counted.
    pub const NONE: Self = Self { start: 0, end: 0, at: 0 };

    /// The day from `start_s` to before `end_s`, at `at_s` within it.
    pub const fn new(start_s: i64, end_s: i64, at_s: i64) -> Self {
        Self { start: start_s, end: end_s, at: at_s }
    }

    /// The day of that number, counted from any fixed one, at its beginning.
    pub const fn numbered(number: i32) -> Self {
        // An i32 of days fits into an i64 of seconds.
        let start = number as i64 * DAY_S;
        Self { start, end: start + DAY_S, at: start }
    }

    /// When it began.
    pub const fn start_s(self) -> i64 {
        self.start
    }

    /// When it is over.
    pub const fn end_s(self) -> i64 {
        self.end
    }

    const fn is_none(self) -> bool {
        self.start >= self.end
    }
}

/// A day that has begun for an account, and what was spent in it.
#[derive(Clone, Copy, Debug)]
struct Running {
    start_s: i64,
    end_s: i64,
    spent: Money,
}

/// The days of an account that have begun and are not over.
#[derive(Debug, Default)]
pub(crate) struct Spending {
    latest_s: i64,
    running: Vec<Running>,
}

impl Spending {
    /// Begins a day, unless it runs already, and ends those that are over. A day that is over by the latest moment that
    /// was seen begins no more: what is spent in it counts in those that run.
    pub(crate) fn enter(&mut self, day: Day) {
        if day.is_none() {
            return;
        }
        self.latest_s = if self.running.is_empty() { day.at } else { self.latest_s.max(day.at) };
        let latest_s = self.latest_s;
        let runs = |running: &Running| running.start_s == day.start && running.end_s == day.end;
        if self.running.iter().all(|running| running.end_s > latest_s) && self.running.iter().any(runs) {
            return;
        }
        if day.end > latest_s && !self.running.iter().any(runs) {
            self.running.push(Running { start_s: day.start, end_s: day.end, spent: Money::ZERO });
        }
        self.running.retain(|running| running.end_s > latest_s);
    }

    /// Counts what is spent in every day that runs; more than fits counts as the most that fits.
    pub(crate) fn add(&mut self, amount: Money) {
        for running in &mut self.running {
            running.spent = running.spent.checked_add(amount).unwrap_or(Money::MAX);
        }
    }

    /// Makes what was spent in a day at least so much.
    pub(crate) fn restore(&mut self, day: Day, spent: Money) {
        self.enter(day);
        let its = |running: &&mut Running| running.start_s == day.start && running.end_s == day.end;
        if let Some(running) = self.running.iter_mut().find(its) {
            running.spent = running.spent.max(spent);
        }
    }

    /// The sum of the running day with the highest sum.
    pub(crate) fn spent(&self) -> Money {
        self.running.iter().map(|running| running.spent).max().unwrap_or(Money::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(nanos: i64) -> Money {
        Money::from_nanos(nanos)
    }

    /// The day of a zone so many hours east of the clock's, at an hour of the clock.
    fn east(hours: i64, at_hour: i64) -> Day {
        let (at_s, east_s) = (at_hour * 3_600, hours * 3_600);
        let start_s = (at_s + east_s).div_euclid(DAY_S) * DAY_S - east_s;
        Day::new(start_s, start_s + DAY_S, at_s)
    }

    fn at(spending: &mut Spending, day: Day) -> i64 {
        spending.enter(day);
        spending.spent().nanos()
    }

    #[test]
    fn a_new_day_begins_at_nothing_and_yesterdays_stragglers_count_today() {
        let mut spending = Spending::default();
        spending.restore(Day::numbered(7), nanos(50));
        assert_eq!(at(&mut spending, Day::numbered(7)), 50);
        assert_eq!(at(&mut spending, Day::numbered(6)), 50);
        assert_eq!(at(&mut spending, Day::numbered(8)), 0);
        spending.enter(Day::numbered(7));
        spending.add(nanos(3));
        assert_eq!(at(&mut spending, Day::numbered(8)), 3);
        spending.add(Money::MAX);
        assert_eq!(spending.spent(), Money::MAX);
    }

    #[test]
    fn a_day_of_an_earlier_zone_counts_until_it_is_over() {
        let mut spending = Spending::default();
        spending.enter(east(0, 30));
        spending.add(nanos(10));
        // Fourteen hours east it is tomorrow already, from hour 34 on; the earlier zone's day ends at 48.
        assert_eq!(at(&mut spending, east(14, 36)), 10);
        spending.add(nanos(5));
        assert_eq!(at(&mut spending, east(14, 47)), 15);
        // Of the present zone's day, which began at hour 34, five are spent.
        assert_eq!(at(&mut spending, east(14, 48)), 5);
        assert_eq!(at(&mut spending, east(14, 57)), 5);
        assert_eq!(at(&mut spending, east(14, 58)), 0);
    }

    #[test]
    fn going_to_and_fro_between_zones_renews_nothing_and_lengthens_no_day() {
        let mut spending = Spending::default();
        spending.enter(east(0, 24));
        spending.add(nanos(7));
        for hour in 25..48 {
            assert_eq!(
                at(
                    &mut spending,
                    east(
                        if hour % 3 == 0 {
                            0
                        } else if hour % 3 == 1 {
                            5
                        } else {
                            -8
                        },
                        hour
                    )
                ),
                7,
                "{hour}"
            );
        }
        assert!(spending.running.len() <= 4, "{spending:?}");
        assert_eq!(at(&mut spending, east(0, 72)), 0);
    }

    #[test]
    fn a_clock_that_is_set_back_renews_nothing() {
        let mut spending = Spending::default();
        spending.restore(Day::numbered(9), nanos(4));
        for number in [7, 9, 2, 9, 8] {
            assert_eq!(at(&mut spending, Day::numbered(number)), 4, "{number}");
        }
    }

    #[test]
    fn no_day_is_counted_for_an_account_without_one() {
        let mut spending = Spending::default();
        spending.enter(Day::NONE);
        spending.add(nanos(4));
        assert_eq!(spending.spent(), Money::ZERO);
        // A charge without a day counts in those that run.
        spending.enter(Day::numbered(3));
        spending.enter(Day::NONE);
        spending.add(nanos(4));
        assert_eq!(spending.spent(), nanos(4));
    }
}
