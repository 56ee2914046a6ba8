//! The charge of a call.

use super::{
    clock::WeekClock,
    rate::{AnswerRange, CallRate, Form, MAX_CALL_SECONDS, RatingError, Windowed, epoch_second},
    runs::{Run, Runs, plain_billed},
};
use crate::{money::Money, rounding::SIXTIETHS, terms::Head};
use jiff::Timestamp;

/// A stretch of a call that was billed at one price.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// The second of the call at which it begins.
    pub from_second: u64,
    /// The seconds billed.
    pub seconds: u64,
    /// The price of a minute.
    pub price_per_minute: Money,
}

/// The parts of a charge, in order; no two neighbours have one price.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Parts(PartsForm);

/// Nearly every charge has one part, which needs no memory of its own.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
enum PartsForm {
    #[default]
    None,
    One(Part),
    Many(Vec<Part>),
}

impl Parts {
    /// The parts as a slice.
    pub fn as_slice(&self) -> &[Part] {
        match &self.0 {
            PartsForm::None => &[],
            PartsForm::One(part) => core::slice::from_ref(part),
            PartsForm::Many(parts) => parts,
        }
    }

    fn push(&mut self, run: Run) {
        let part =
            Part { from_second: run.from, seconds: run.seconds(), price_per_minute: run.price_per_minute };
        let last = match &mut self.0 {
            PartsForm::None => None,
            PartsForm::One(last) => Some(last),
            PartsForm::Many(parts) => parts.last_mut(),
        };
        if let Some(last) = last
            && last.price_per_minute == part.price_per_minute
        {
            last.seconds += part.seconds;
            return;
        }
        self.0 = match core::mem::take(&mut self.0) {
            PartsForm::None => PartsForm::One(part),
            PartsForm::One(first) => PartsForm::Many(vec![first, part]),
            PartsForm::Many(mut parts) => {
                parts.push(part);
                PartsForm::Many(parts)
            }
        };
    }
}

/// Which bound of a rate set the charge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChargeLimit {
    /// The time cost less than the least charge.
    Min,
    /// The time cost more than the largest charge.
    Max,
}

/// The charge of a call, with its parts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Charge {
    /// The amount, rounded once.
    pub amount: Money,
    /// The seconds billed; 0 for a call that costs nothing because it is not answered or at most `free_below` long.
    pub billed_seconds: u64,
    /// The connect fee that is in it.
    pub connect_fee: Money,
    /// The stretches of equal price; their seconds sum to `billed_seconds`.
    pub parts: Parts,
    /// The bound that applied, if one did.
    pub limit: Option<ChargeLimit>,
}

impl Charge {
    fn free() -> Self {
        let none = Money::ZERO;
        Self { amount: none, billed_seconds: 0, connect_fee: none, parts: Parts::default(), limit: None }
    }
}

impl Head {
    /// The seconds that are put into blocks; `None` for a call that costs nothing.
    pub(super) fn charged_seconds(&self, answered_seconds: u64) -> Option<u64> {
        let seconds = answered_seconds + u64::from(self.additional_time);
        (seconds > u64::from(self.free_below)).then_some(seconds)
    }

    pub(super) fn connect_sixtieths(&self) -> i128 {
        i128::from(self.connect_fee.nanos()) * SIXTIETHS
    }

    /// A cost within the least and the largest charge, and which of them applied.
    fn limit(&self, sixtieths: i128) -> (i128, Option<ChargeLimit>) {
        let bound = |amount: Option<Money>| amount.map(|amount| i128::from(amount.nanos()) * SIXTIETHS);
        match (bound(self.min_charge), bound(self.max_charge)) {
            (Some(min), _) if sixtieths < min => (min, Some(ChargeLimit::Min)),
            (_, Some(max)) if sixtieths > max => (max, Some(ChargeLimit::Max)),
            _ => (sixtieths, None),
        }
    }
}

impl CallRate {
    /// The charge of a call of `ms` answered milliseconds that was answered at this instant.
    ///
    /// Nothing for 0 ms, and for a call whose seconds (rounded as the plan says, plus `additional_time`) are at most
    /// `free_below`. Otherwise the connect fee and the price of every block, exactly; then the least and the largest
    /// charge; then one rounding.
    ///
    /// # Errors
    ///
    /// [`RatingError::TooLong`] and [`RatingError::Overflow`]; never a wrapped or a cut amount.
    pub fn charge(&self, ms: u64, answered_at: Timestamp) -> Result<Charge, RatingError> {
        let seconds = self.duration_rounding.seconds(ms);
        if seconds > MAX_CALL_SECONDS {
            return Err(RatingError::TooLong { seconds });
        }
        if ms == 0 {
            return Ok(Charge::free());
        }
        match &self.form {
            Form::Plain(head, step) => {
                let Some(seconds) = head.charged_seconds(seconds) else { return Ok(Charge::free()) };
                let billed = plain_billed(head, *step, seconds, self.block_rounding);
                let run = Run { from: 0, block: billed, count: 1, price_per_minute: step.price_per_minute };
                let mut parts = Parts::default();
                parts.push(run);
                self.charge_of(head, head.connect_sixtieths() + run.sixtieths(), parts, billed)
            }
            Form::Windowed(windowed) => {
                let mut clock = WeekClock::new(&windowed.week, &windowed.zone);
                let answered = epoch_second(answered_at);
                let head = &windowed.window(clock.at(answered).0).head;
                let Some(seconds) = head.charged_seconds(seconds) else { return Ok(Charge::free()) };
                let mut parts = Parts::default();
                let (mut sixtieths, mut billed) = (head.connect_sixtieths(), 0);
                for run in Runs::new(windowed, &mut clock, answered, seconds, self.block_rounding) {
                    sixtieths += run.sixtieths();
                    billed += run.seconds();
                    parts.push(run);
                }
                self.charge_of(head, sixtieths, parts, billed)
            }
        }
    }

    fn charge_of(
        &self,
        head: &Head,
        sixtieths: i128,
        parts: Parts,
        billed_seconds: u64,
    ) -> Result<Charge, RatingError> {
        let (sixtieths, limit) = head.limit(sixtieths);
        let amount = self.rounding.round_sixtieths(sixtieths).ok_or(RatingError::Overflow)?;
        Ok(Charge { amount, billed_seconds, connect_fee: head.connect_fee, parts, limit })
    }

    /// The dearest charge of a call of so many answered seconds, over every second in which it may be answered: what
    /// is to be held for it.
    pub fn hold(&self, seconds: u32, answered: AnswerRange) -> Result<Money, RatingError> {
        let whole = u64::from(seconds);
        if whole > MAX_CALL_SECONDS {
            return Err(RatingError::TooLong { seconds: whole });
        }
        let windowed = match &self.form {
            _ if seconds == 0 => return Ok(Money::ZERO),
            Form::Plain(head, step) => {
                let Some(charged) = head.charged_seconds(whole) else { return Ok(Money::ZERO) };
                let billed = plain_billed(head, *step, charged, self.block_rounding);
                let time = i128::from(billed) * i128::from(step.price_per_minute.nanos());
                let (sixtieths, _) = head.limit(head.connect_sixtieths() + time);
                return self.rounding.round_sixtieths(sixtieths).ok_or(RatingError::Overflow);
            }
            Form::Windowed(windowed) => windowed,
        };
        let (from, until) = answered.seconds();
        let mut clock = WeekClock::new(&windowed.week, &windowed.zone);
        let (window, steady_until) = clock.at(from);
        let head = &windowed.window(window).head;
        let last_block = until.saturating_add_unsigned(whole + u64::from(head.additional_time));
        // Where no window changes from the first answer to the last second of the latest call, all are alike.
        let until = if last_block < steady_until { from } else { until };
        let mut dearest = 0;
        for second in from..=until {
            dearest = dearest.max(self.sixtieths(windowed, &mut clock, second, whole));
        }
        // Rounding keeps the order, so the dearest is rounded once.
        self.rounding.round_sixtieths(dearest).ok_or(RatingError::Overflow)
    }

    /// The cost of a call before rounding, in sixtieths of a nano-unit.
    fn sixtieths<'a>(
        &self,
        windowed: &'a Windowed,
        clock: &mut WeekClock<'a>,
        answered: i64,
        answered_seconds: u64,
    ) -> i128 {
        let head = &windowed.window(clock.at(answered).0).head;
        let Some(seconds) = head.charged_seconds(answered_seconds) else { return 0 };
        let runs = Runs::new(windowed, clock, answered, seconds, self.block_rounding);
        let time: i128 = runs.map(|run| run.sixtieths()).sum();
        head.limit(head.connect_sixtieths() + time).0
    }
}
