//! The inverse of the charge: how long a call a credit pays.

use super::{
    clock::WeekClock,
    rate::{AnswerRange, CallRate, Form, MAX_CALL_SECONDS, Step, Windowed},
    runs::{Run, Runs},
};
use crate::{
    money::Money,
    rounding::{BlockRounding, SIXTIETHS},
    terms::Head,
};

/// The part of a credit that can be spent on time.
enum Budget {
    /// The largest charge is within it: any duration is.
    Unlimited,
    /// Sixtieths of a nano-unit after the connect fee.
    Time(i128),
    /// Not even the least charge or the connect fee is within it.
    Nothing,
}

impl Head {
    fn budget(&self, sixtieths: i128) -> Budget {
        let of = |amount: Money| i128::from(amount.nanos()) * SIXTIETHS;
        if self.max_charge.is_some_and(|max| of(max) <= sixtieths) {
            return Budget::Unlimited;
        }
        if self.min_charge.is_some_and(|min| of(min) > sixtieths) {
            return Budget::Nothing;
        }
        match sixtieths - self.connect_sixtieths() {
            left if left < 0 => Budget::Nothing,
            left => Budget::Time(left),
        }
    }

    /// The answered seconds, at most `cap`, of a call whose blocks are paid for `paid` charged seconds.
    fn answered_seconds(&self, paid: u64, cap: u64) -> u64 {
        // Free seconds are affordable with any credit.
        let longest = paid.max(u64::from(self.free_below));
        longest.saturating_sub(u64::from(self.additional_time)).min(cap)
    }
}

/// How many blocks of `sixtieths` each the rest of a budget pays.
fn blocks(left: i128, sixtieths: i128) -> u64 {
    match (u64::try_from(left), u64::try_from(sixtieths)) {
        (Ok(_), Ok(0)) => u64::MAX,
        // The narrow division is several times faster, and nearly always enough.
        (Ok(left), Ok(sixtieths)) => left / sixtieths,
        _ if sixtieths == 0 => u64::MAX,
        _ => u64::try_from(left / sixtieths).unwrap_or(u64::MAX),
    }
}

/// Pays for as much of a run as the budget does: the second up to which the call is paid, if that is before the
/// run's end.
fn pay(left: &mut i128, run: &Run) -> Option<u64> {
    let block = i128::from(run.block) * i128::from(run.price_per_minute.nanos());
    let paid = blocks(*left, block);
    if paid < run.count {
        return Some(run.from + paid * run.block);
    }
    *left -= run.sixtieths();
    None
}

/// The charged seconds, at most `seconds`, that a plain rate's budget pays.
fn plain_paid(head: &Head, step: Step, mut left: i128, seconds: u64, block_rounding: BlockRounding) -> u64 {
    let initial = u64::from(head.initial_block);
    let increment = u64::from(step.increment);
    let price_per_minute = step.price_per_minute;
    let run = |from, block, until: u64| Run {
        from,
        block,
        count: until.saturating_sub(from).div_ceil(block),
        price_per_minute,
    };
    let mut at = 0;
    if initial > 0 {
        if pay(&mut left, &run(0, initial, initial)).is_some() {
            return 0;
        }
        at = initial;
    }
    let over = at % increment;
    if block_rounding == BlockRounding::Whole && over > 0 && at < seconds {
        let first = run(at, increment - over, at + 1);
        if let Some(paid) = pay(&mut left, &first) {
            return paid;
        }
        at += first.block;
    }
    if at >= seconds {
        return seconds;
    }
    pay(&mut left, &run(at, increment, seconds)).unwrap_or(seconds)
}

impl CallRate {
    /// The largest whole number of answered seconds, at most `cap`, whose charge the credit pays whenever in
    /// `answered` the call is answered. 0 where not even one second is affordable, and for a negative credit.
    ///
    /// Exact: for the result s and every answer in the range, `charge(s × 1000 ms)` is at most the credit, and for
    /// one of them `charge((s + 1) × 1000 ms)` is more (or s is the cap). The budget is walked down, no charge is
    /// tried out.
    pub fn max_seconds(&self, credit: Money, cap: u32, answered: AnswerRange) -> u32 {
        let Some(budget) = self.rounding.budget_sixtieths(credit) else { return 0 };
        let cap = u64::from(cap).min(MAX_CALL_SECONDS);
        let seconds = match &self.form {
            Form::Plain(head, step) => match head.budget(budget) {
                Budget::Unlimited => cap,
                Budget::Nothing => head.answered_seconds(0, cap),
                Budget::Time(left) => {
                    let longest = cap + u64::from(head.additional_time);
                    head.answered_seconds(plain_paid(head, *step, left, longest, self.block_rounding), cap)
                }
            },
            Form::Windowed(windowed) => self.windowed_seconds(windowed, budget, cap, answered),
        };
        debug_assert!(seconds <= cap);
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }

    fn windowed_seconds(&self, windowed: &Windowed, budget: i128, cap: u64, answered: AnswerRange) -> u64 {
        if windowed.surely_pays(budget, cap) {
            return cap;
        }
        let (from, until) = answered.seconds();
        let mut clock = WeekClock::new(&windowed.week, &windowed.zone);
        let (window, steady_until) = clock.at(from);
        let head = &windowed.window(window).head;
        let mut shortest = self.seconds_answered_at(windowed, &mut clock, budget, cap, from);
        // The first block that is not paid begins at the end of what is. Where no window changes up to there, even
        // for the latest answer, all answers are alike.
        let reach = shortest + u64::from(head.additional_time.max(head.free_below));
        if until.saturating_add_unsigned(reach) < steady_until {
            return shortest;
        }
        for second in from.saturating_add(1)..=until {
            if shortest == 0 {
                break;
            }
            // Only a shorter result matters, so the last one is the cap of the next.
            shortest = self.seconds_answered_at(windowed, &mut clock, budget, shortest, second);
        }
        shortest
    }

    fn seconds_answered_at<'a>(
        &self,
        windowed: &'a Windowed,
        clock: &mut WeekClock<'a>,
        budget: i128,
        cap: u64,
        answered: i64,
    ) -> u64 {
        let head = &windowed.window(clock.at(answered).0).head;
        let mut left = match head.budget(budget) {
            Budget::Unlimited => return cap,
            Budget::Nothing => return head.answered_seconds(0, cap),
            Budget::Time(left) => left,
        };
        let longest = cap + u64::from(head.additional_time);
        for run in Runs::new(windowed, clock, answered, longest, self.block_rounding) {
            if let Some(paid) = pay(&mut left, &run) {
                return head.answered_seconds(paid, cap);
            }
        }
        cap
    }
}

impl Windowed {
    /// Reports whether the budget pays a call of `cap` seconds even if all of it were billed at the dearest price, in the
    /// longest blocks and with the dearest fee: then there is nothing to look for. False proves nothing.
    fn surely_pays(&self, budget: i128, cap: u64) -> bool {
        let heads = || self.windows.iter().map(|window| &window.head);
        let steps = || self.windows.iter().flat_map(|window| &window.steps);
        let block = steps().map(|step| step.increment).chain(heads().map(|head| head.initial_block)).max();
        let added = heads().map(|head| head.additional_time).max();
        let seconds = cap + 2 * u64::from(block.unwrap_or(0)) + u64::from(added.unwrap_or(0));
        let price = steps().map(|step| step.price_per_minute.nanos()).max().unwrap_or(0);
        let fee = heads().map(Head::connect_sixtieths).max().unwrap_or(0);
        let least = heads().filter_map(|head| head.min_charge).max().unwrap_or(Money::ZERO);
        let time = i128::from(seconds) * i128::from(price);
        (fee + time).max(i128::from(least.nanos()) * SIXTIETHS) <= budget
    }
}
