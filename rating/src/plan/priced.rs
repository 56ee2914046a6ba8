//! A tariff with the prices of a plan.

use super::markup::Derivation;
use crate::{
    call_rate::{CallRate, Form, Step, WindowTerms, Windowed},
    money::Money,
    number::E164,
    prefix::Prefix,
    rounding::{BlockRounding, DurationRounding, Rounding},
    tariff::{FoundForm, FoundStep, Tariff},
    terms::Head,
};
use jiff::{Timestamp, tz::TimeZone};
use std::sync::Arc;

/// How a plan turns time into money.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlanTerms {
    /// Of the charge.
    pub rounding: Rounding,
    /// Of milliseconds to seconds.
    pub duration_rounding: DurationRounding,
    /// Of seconds to blocks.
    pub block_rounding: BlockRounding,
    /// In which windows and dates of validity are read.
    pub zone: TimeZone,
}

impl Default for PlanTerms {
    /// Half-up to six decimals, seconds up, increments after the initial block, UTC.
    fn default() -> Self {
        Self {
            rounding: Rounding::default(),
            duration_rounding: DurationRounding::default(),
            block_rounding: BlockRounding::default(),
            zone: TimeZone::UTC,
        }
    }
}

/// Why a number has no rate: the call is refused, it is never free.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoRate {
    /// No prefix of the number has a rate that is valid now.
    #[error("the tariff has no rate for this number at this time")]
    NoMatch,
    /// The markups lift a price beyond what an amount can hold.
    #[error("a derived price is larger than any amount")]
    PriceTooLarge,
}

/// A tariff with the prices of a plan, and of the plans it is derived from.
///
/// Each level takes the prices of the level below. Where one of its overrides is at least as long as the prefix
/// matched below, that is the price per minute of every step and window; otherwise its markup is added. Fees and
/// least and largest charges are marked up in any case. What a level printed is rounded to the nano before the next
/// level takes it.
///
/// | deck | first level | second level | number | price |
/// |---|---|---|---|---|
/// | 49: 0.0100 | +20 % | | 4930… | 0.0120 |
/// | 49: 0.0100 | +20 % | +10 % | 4930… | 0.0132 |
/// | 49: 0.0100 | +20 %, 4915: 0.0500 | +10 % | 4915… | 0.0550 |
/// | 49: 0.0100 | +20 %, 4915: 0.0500 | +10 %, 49: 0.0200 | 4915… | 0.0550 |
/// | 49: 0.0100 | +20 %, 49: 0.0500 | +10 %, 49: 0.0200 | 4930… | 0.0200 |
#[derive(Clone, Debug)]
pub struct PricedTariff {
    pub(super) tariff: Arc<Tariff>,
    pub(super) levels: Vec<Arc<Derivation>>,
    pub(super) terms: Arc<PlanTerms>,
}

impl PricedTariff {
    /// A plan on a tariff. `levels` are the derivations from the base plan's (first) to its own (last); none for a
    /// plan that sells the tariff as it is.
    pub fn new(tariff: Arc<Tariff>, levels: Vec<Arc<Derivation>>, terms: Arc<PlanTerms>) -> Self {
        Self { tariff, levels, terms }
    }

    /// The tariff below.
    pub const fn tariff(&self) -> &Arc<Tariff> {
        &self.tariff
    }

    /// The derivations, the base's first.
    pub fn levels(&self) -> &[Arc<Derivation>] {
        &self.levels
    }

    /// The plan's rounding and zone.
    pub const fn terms(&self) -> &Arc<PlanTerms> {
        &self.terms
    }

    /// The rate of a call to a number that is authorised at this instant. It stays the call's rate, whatever
    /// becomes of the tariff and whenever its validity ends.
    pub fn rate(&self, number: E164, at: Timestamp) -> Result<CallRate, NoRate> {
        self.rate_of_digits(number.value(), number.digits(), at)
    }

    /// The rate, at this instant, of calls to numbers that begin with this prefix and with no longer one that has a
    /// price: what a price list says of it.
    pub fn rate_of_prefix(&self, prefix: Prefix, at: Timestamp) -> Result<CallRate, NoRate> {
        self.rate_of_digits(prefix.value(), prefix.digits(), at)
    }

    fn rate_of_digits(&self, value: u64, digits: u8, at: Timestamp) -> Result<CallRate, NoRate> {
        let terms = &*self.terms;
        let found = self.tariff.find_digits(value, digits, at, &terms.zone).ok_or(NoRate::NoMatch)?;
        let deck_prefix = found.prefix();
        let mut prefix = deck_prefix;
        // The last level whose override holds, and its price; the levels above mark that up.
        let mut replaced: Option<(Money, &[Arc<Derivation>])> = None;
        for (level, above) in self.levels.iter().zip(1..) {
            if let Some((longer, price)) = level.price_for(value, digits, prefix) {
                prefix = longer;
                replaced = Some((price, &self.levels[above..]));
            }
        }
        let step = |found: &FoundStep<'_>| -> Result<Step, NoRate> {
            let (price, levels) = replaced.unwrap_or((found.price, &self.levels));
            let price_per_minute = derive(price, levels)?;
            Ok(Step { start: found.start, increment: found.terms.increment, price_per_minute })
        };
        let (form, blocked) = match found.form() {
            FoundForm::Plain(plain) => {
                (Form::Plain(self.head(&plain.terms.head)?, step(&plain)?), plain.terms.blocked)
            }
            FoundForm::Windows(week, found_windows) => {
                let mut windows = Vec::with_capacity(found_windows.len());
                for steps in &found_windows {
                    let head = self.head(&steps[0].terms.head)?;
                    windows
                        .push(WindowTerms { head, steps: steps.iter().map(step).collect::<Result<_, _>>()? });
                }
                let windowed = Windowed {
                    zone: terms.zone.clone(),
                    week: Arc::clone(week),
                    windows: windows.into_boxed_slice(),
                };
                let blocked = found_windows[windowed.window_now(at)][0].terms.blocked;
                (Form::Windowed(Arc::new(windowed)), blocked)
            }
        };
        Ok(CallRate {
            prefix,
            deck_prefix,
            destination: Arc::clone(found.destination()),
            blocked,
            rounding: terms.rounding,
            duration_rounding: terms.duration_rounding,
            block_rounding: terms.block_rounding,
            form,
        })
    }

    fn head(&self, head: &Head) -> Result<Head, NoRate> {
        let levels = &self.levels;
        let bound = |amount: Option<Money>| amount.map(|amount| derive(amount, levels)).transpose();
        Ok(Head {
            connect_fee: derive(head.connect_fee, levels)?,
            min_charge: bound(head.min_charge)?,
            max_charge: bound(head.max_charge)?,
            ..*head
        })
    }
}

/// A price marked up by each level, rounded at each.
pub(super) fn derive(price: Money, levels: &[Arc<Derivation>]) -> Result<Money, NoRate> {
    levels.iter().try_fold(price, |price, level| level.percent().apply(price)).ok_or(NoRate::PriceTooLarge)
}
