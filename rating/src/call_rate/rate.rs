//! The rate of one call: the terms of its windows and steps, independent of the tariff they came from.

use super::clock::WeekClock;
use crate::{
    money::Money,
    prefix::Prefix,
    rounding::{BlockRounding, DurationRounding, Rounding},
    terms::Head,
    week::Week,
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use std::sync::Arc;

/// The longest call that is charged, in seconds: 366 days. Longer ones are an error, so that every loop is bounded.
pub const MAX_CALL_SECONDS: u64 = 366 * 86_400;

/// The longest time over which a call may be answered, in seconds: nothing rings for a day.
pub const MAX_ANSWER_RANGE_SECONDS: i64 = 86_400;

/// A price and an increment that hold from a second of the call on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// The second of the call from which it holds: a block that begins then or later is billed by it.
    pub start: u32,
    /// The block in seconds, at least one.
    pub increment: u32,
    /// The price of a minute, as it is printed and charged.
    pub price_per_minute: Money,
}

/// The terms of a window, with derived prices.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct WindowTerms {
    pub(crate) head: Head,
    /// In order; the first begins at 0.
    pub(crate) steps: Box<[Step]>,
}

/// A rate with more than one window or step.
#[derive(Debug)]
pub(crate) struct Windowed {
    pub(crate) zone: TimeZone,
    pub(crate) week: Arc<Week>,
    pub(crate) windows: Box<[WindowTerms]>,
}

impl Windowed {
    /// The terms by which a call is charged that is answered in this window; the first where there is none such,
    /// which a checked week rules out.
    pub(super) fn window(&self, position: usize) -> &WindowTerms {
        debug_assert!(position < self.windows.len(), "a week names its own windows");
        &self.windows[position.min(self.windows.len() - 1)]
    }

    /// The window in which a call is answered at a second since the epoch.
    pub(super) fn window_at(&self, answered: i64) -> usize {
        WeekClock::new(&self.week, &self.zone).at(answered).0
    }

    /// The window that is open at an instant.
    pub(crate) fn window_now(&self, at: Timestamp) -> usize {
        self.window_at(epoch_second(at))
    }
}

/// The shape of a rate: nearly all are plain, and a plain one needs no memory of its own.
#[derive(Clone, Debug)]
pub(crate) enum Form {
    Plain(Head, Step),
    Windowed(Arc<Windowed>),
}

/// Everything that is needed to price one call, independent of the tariff it came from. Its JSON is kept with the
/// call, so that the charge can be computed again from it alone.
#[derive(Clone, Debug)]
pub struct CallRate {
    pub(crate) prefix: Prefix,
    pub(crate) deck_prefix: Prefix,
    pub(crate) destination: Arc<str>,
    pub(crate) blocked: bool,
    pub(crate) rounding: Rounding,
    pub(crate) duration_rounding: DurationRounding,
    pub(crate) block_rounding: BlockRounding,
    pub(crate) form: Form,
}

/// Why a call cannot be priced.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RatingError {
    /// Longer than [`MAX_CALL_SECONDS`].
    #[error("a call of {seconds} seconds is longer than {MAX_CALL_SECONDS}")]
    TooLong {
        /// Its answered seconds.
        seconds: u64,
    },
    /// The cost is more than an amount can hold.
    #[error("the charge is larger than any amount")]
    Overflow,
}

/// The instants between which a call may be answered, both included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AnswerRange {
    from: Timestamp,
    until: Timestamp,
}

impl AnswerRange {
    /// A call that is answered at this instant.
    pub const fn at(instant: Timestamp) -> Self {
        Self { from: instant, until: instant }
    }

    /// A call that may be answered from one instant to another. An end before the begin counts as the begin, and
    /// one more than [`MAX_ANSWER_RANGE_SECONDS`] after it as that.
    pub fn new(from: Timestamp, until: Timestamp) -> Self {
        let longest = SignedDuration::from_secs(MAX_ANSWER_RANGE_SECONDS);
        let last = from.checked_add(longest).unwrap_or(Timestamp::MAX);
        Self { from, until: until.clamp(from, last) }
    }

    /// The first instant.
    pub const fn from(&self) -> Timestamp {
        self.from
    }

    /// The last instant.
    pub const fn until(&self) -> Timestamp {
        self.until
    }

    /// The answer seconds to look at: windows change at whole seconds, so two answers in one second of the clock
    /// see every change at the same second of the call.
    pub(super) fn seconds(&self) -> (i64, i64) {
        (epoch_second(self.from), epoch_second(self.until))
    }
}

/// The second of the clock an instant lies in.
pub(super) fn epoch_second(instant: Timestamp) -> i64 {
    // `as_second` goes towards zero: before 1970 that is the second after.
    instant.as_second() - i64::from(instant.subsec_nanosecond() < 0)
}

/// The terms in force for a call answered at some instant, for people to read.
#[derive(Clone, Copy, Debug)]
pub struct AnswerTerms<'a> {
    /// Charged once.
    pub connect_fee: Money,
    /// The first block in seconds; 0 for none.
    pub initial_block: u32,
    /// Calls of at most so many seconds cost nothing.
    pub free_below: u32,
    /// Seconds added to every answered duration.
    pub additional_time: u32,
    /// The least a charged call costs.
    pub min_charge: Option<Money>,
    /// The most a call costs.
    pub max_charge: Option<Money>,
    /// Prices and increments by the second of the call.
    pub steps: &'a [Step],
}

impl CallRate {
    /// The prefix whose price it is: the longest among the deck's and the overrides'.
    pub const fn prefix(&self) -> Prefix {
        self.prefix
    }

    /// The prefix of the deck whose other terms hold; shorter than [`CallRate::prefix`] where an override is longer.
    pub const fn deck_prefix(&self) -> Prefix {
        self.deck_prefix
    }

    /// Destination name of the prefix in the deck.
    pub fn destination(&self) -> &str {
        &self.destination
    }

    /// Reports whether numbers with this prefix might not be called when the rate was asked for.
    pub const fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// The rounding of the charge.
    pub const fn rounding(&self) -> Rounding {
        self.rounding
    }

    /// How milliseconds become seconds.
    pub const fn duration_rounding(&self) -> DurationRounding {
        self.duration_rounding
    }

    /// The rounding to the increment.
    pub const fn block_rounding(&self) -> BlockRounding {
        self.block_rounding
    }

    /// The price of a minute at the begin of a call answered at this instant.
    pub fn price_per_minute(&self, answered_at: Timestamp) -> Money {
        self.terms(answered_at).steps[0].price_per_minute
    }

    /// The dearest price of a minute anywhere in the rate: of all its windows and steps.
    pub fn dearest_price_per_minute(&self) -> Money {
        let dearest = |steps: &[Step]| steps.iter().map(|step| step.price_per_minute).max();
        match &self.form {
            Form::Plain(_, step) => step.price_per_minute,
            Form::Windowed(windowed) => windowed
                .windows
                .iter()
                .filter_map(|window| dearest(&window.steps))
                .max()
                .unwrap_or(Money::ZERO),
        }
    }

    /// The terms of a call answered at this instant.
    pub fn terms(&self, answered_at: Timestamp) -> AnswerTerms<'_> {
        let (head, steps) = match &self.form {
            Form::Plain(head, step) => (head, core::slice::from_ref(step)),
            Form::Windowed(windowed) => {
                let window = windowed.window(windowed.window_at(epoch_second(answered_at)));
                (&window.head, &*window.steps)
            }
        };
        AnswerTerms {
            connect_fee: head.connect_fee,
            initial_block: head.initial_block,
            free_below: head.free_below,
            additional_time: head.additional_time,
            min_charge: head.min_charge,
            max_charge: head.max_charge,
            steps,
        }
    }
}
