//! How a plan rounds: amounts to decimals, milliseconds to seconds, seconds to blocks.

use crate::money::{DECIMALS, Money};
use core::{fmt, str::FromStr};
use serde::{Deserialize, Serialize};

/// Sixtieths of a nano-unit in a nano-unit: prices are per minute and time is billed in seconds, so every cost is
/// a whole number of them.
pub(crate) const SIXTIETHS: i128 = 60;

/// The same for narrow arithmetic.
const NARROW_SIXTIETHS: u64 = 60;

/// Which way an amount that is not a whole number of the last decimal goes. Amounts are never negative.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoundingMode {
    /// Always to the next larger.
    Up,
    /// To the nearest; in the middle to the larger.
    #[default]
    HalfUp,
    /// To the nearest; in the middle to the even one (ISO 80000-1, B.3 rule A).
    HalfEven,
    /// Always to the next smaller.
    Down,
}

/// A name that a plan's setting does not have.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{given:?} is none of {known}")]
pub struct UnknownName {
    given: String,
    known: &'static str,
}

impl FromStr for RoundingMode {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "up" => Ok(Self::Up),
            "half-up" => Ok(Self::HalfUp),
            "half-even" => Ok(Self::HalfEven),
            "down" => Ok(Self::Down),
            _ => Err(UnknownName { given: text.to_owned(), known: "up, half-up, half-even, down" }),
        }
    }
}

impl fmt::Display for RoundingMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::HalfUp => "half-up",
            Self::HalfEven => "half-even",
            Self::Down => "down",
        })
    }
}

/// The one rounding of a call's cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Rounding {
    mode: RoundingMode,
    decimals: u8,
}

impl Default for Rounding {
    /// Half-up to six decimals.
    fn default() -> Self {
        Self { mode: RoundingMode::HalfUp, decimals: 6 }
    }
}

impl Rounding {
    /// A rounding to 0 to 9 decimals; `None` beyond.
    pub const fn new(mode: RoundingMode, decimals: u8) -> Option<Self> {
        if decimals as u32 <= DECIMALS { Some(Self { mode, decimals }) } else { None }
    }

    /// Which way.
    pub const fn mode(self) -> RoundingMode {
        self.mode
    }

    /// To how many decimals: 0 to 9.
    pub const fn decimals(self) -> u8 {
        self.decimals
    }

    /// Nano-units in one unit of the last decimal.
    const fn unit_nanos(self) -> u64 {
        10_u64.pow(DECIMALS - self.decimals as u32)
    }

    /// An exact amount of nano-units, rounded. `None` where it is no amount.
    pub(crate) fn round(self, nanos: i128) -> Option<Money> {
        nanos.checked_mul(SIXTIETHS).and_then(|sixtieths| self.round_sixtieths(sixtieths))
    }

    /// A cost in sixtieths of a nano-unit, rounded; `None` where it is no amount.
    ///
    /// | cost in units | up, 2 | half-up, 2 | half-even, 2 | down, 2 |
    /// |---|---|---|---|---|
    /// | 0.170000 | 0.17 | 0.17 | 0.17 | 0.17 |
    /// | 0.170001 | 0.18 | 0.17 | 0.17 | 0.17 |
    /// | 0.165 | 0.17 | 0.17 | 0.16 | 0.16 |
    /// | 0.175 | 0.18 | 0.18 | 0.18 | 0.17 |
    pub(crate) fn round_sixtieths(self, sixtieths: i128) -> Option<Money> {
        debug_assert!(sixtieths >= 0, "a cost is never negative");
        let unit = self.unit_nanos();
        let divisor = unit * NARROW_SIXTIETHS;
        // Nearly every cost fits 64 bits, and the narrow division is several times faster.
        let (quotient, remainder) = if let Ok(narrow) = u64::try_from(sixtieths) {
            (i128::from(narrow / divisor), narrow % divisor)
        } else {
            let wide = i128::from(divisor);
            (sixtieths / wide, u64::try_from(sixtieths % wide).ok()?)
        };
        let half = divisor / 2;
        let up = match self.mode {
            RoundingMode::Up => remainder > 0,
            RoundingMode::HalfUp => remainder >= half,
            RoundingMode::HalfEven => remainder > half || (remainder == half && quotient % 2 == 1),
            RoundingMode::Down => false,
        };
        let nanos = (quotient + i128::from(up)).checked_mul(i128::from(unit))?;
        i64::try_from(nanos).ok().map(Money::from_nanos)
    }

    /// The largest cost in sixtieths of a nano-unit that is rounded to at most `credit`: the inverse of
    /// [`Rounding::round_sixtieths`]. `None` for a negative credit, which pays nothing.
    pub(crate) fn budget_sixtieths(self, credit: Money) -> Option<i128> {
        let credit = u64::try_from(credit.nanos()).ok()?;
        let unit = self.unit_nanos();
        let whole_units = credit / unit;
        let divisor = i128::from(unit) * SIXTIETHS;
        // The divisor is even, so the middle is a whole number.
        let above = match self.mode {
            RoundingMode::Up => 0,
            RoundingMode::HalfEven if whole_units.is_multiple_of(2) => divisor / 2,
            RoundingMode::HalfUp | RoundingMode::HalfEven => divisor / 2 - 1,
            RoundingMode::Down => divisor - 1,
        };
        let budget = i128::from(whole_units) * divisor + above;
        debug_assert!(self.round_sixtieths(budget).is_none_or(|cost| cost.nanos().cast_unsigned() <= credit));
        Some(budget)
    }
}

/// How milliseconds of talk become seconds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DurationRounding {
    /// A begun second counts.
    #[default]
    Up,
    /// Only full seconds count.
    Down,
    /// To the nearest second; half a second counts.
    HalfUp,
}

impl DurationRounding {
    /// Whole seconds of so many milliseconds.
    pub const fn seconds(self, ms: u64) -> u64 {
        match self {
            Self::Up => ms.div_ceil(1000),
            Self::Down => ms / 1000,
            Self::HalfUp => ms / 1000 + (ms % 1000 >= 500) as u64,
        }
    }
}

impl FromStr for DurationRounding {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "up" => Ok(Self::Up),
            "down" => Ok(Self::Down),
            "half-up" => Ok(Self::HalfUp),
            _ => Err(UnknownName { given: text.to_owned(), known: "up, down, half-up" }),
        }
    }
}

impl fmt::Display for DurationRounding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::HalfUp => "half-up",
        })
    }
}

/// The rounding to the increment.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockRounding {
    /// The part after the initial block: 20/60 bills 45 s as 20 + 60 = 80 s.
    #[default]
    AfterInitial,
    /// The whole duration, with the first step's increment, as `MagnusBilling` and `A2Billing` do: 20/60 bills 45 s
    /// as 60 s.
    Whole,
}

impl FromStr for BlockRounding {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "after_initial" => Ok(Self::AfterInitial),
            "whole" => Ok(Self::Whole),
            _ => Err(UnknownName { given: text.to_owned(), known: "after_initial, whole" }),
        }
    }
}

impl fmt::Display for BlockRounding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AfterInitial => "after_initial",
            Self::Whole => "whole",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn modes() -> impl Strategy<Value = RoundingMode> {
        prop::sample::select(vec![
            RoundingMode::Up,
            RoundingMode::HalfUp,
            RoundingMode::HalfEven,
            RoundingMode::Down,
        ])
    }

    #[test]
    fn each_mode_goes_its_way() {
        let cents = |mode, nanos: i128| {
            let rounding = Rounding::new(mode, 2).unwrap();
            rounding.round_sixtieths(nanos * 60).unwrap().to_string()
        };
        for (nanos, up, half_up, half_even, down) in [
            (170_000_000, "0.17", "0.17", "0.17", "0.17"),
            (170_001_000, "0.18", "0.17", "0.17", "0.17"),
            (165_000_000, "0.17", "0.17", "0.16", "0.16"),
            (175_000_000, "0.18", "0.18", "0.18", "0.17"),
        ] {
            assert_eq!(cents(RoundingMode::Up, nanos), up);
            assert_eq!(cents(RoundingMode::HalfUp, nanos), half_up);
            assert_eq!(cents(RoundingMode::HalfEven, nanos), half_even);
            assert_eq!(cents(RoundingMode::Down, nanos), down);
        }
    }

    #[test]
    fn a_cost_that_is_no_amount_is_an_error() {
        let rounding = Rounding::new(RoundingMode::Up, 0).unwrap();
        assert_eq!(rounding.round_sixtieths(i128::from(i64::MAX) * 60), None);
        let rounding = Rounding::new(RoundingMode::Up, 9).unwrap();
        assert_eq!(rounding.round_sixtieths(i128::from(i64::MAX) * 60), Some(Money::MAX));
        assert_eq!(rounding.round_sixtieths(i128::from(i64::MAX) * 60 + 1), None);
        assert_eq!(Rounding::new(RoundingMode::Up, 10), None);
    }

    #[test]
    fn milliseconds_become_seconds_as_the_plan_says() {
        for (ms, up, down, half_up) in
            [(1, 1, 0, 0), (499, 1, 0, 0), (500, 1, 0, 1), (1000, 1, 1, 1), (1001, 2, 1, 1)]
        {
            assert_eq!(DurationRounding::Up.seconds(ms), up);
            assert_eq!(DurationRounding::Down.seconds(ms), down);
            assert_eq!(DurationRounding::HalfUp.seconds(ms), half_up);
        }
        assert_eq!(DurationRounding::HalfUp.seconds(u64::MAX), u64::MAX / 1000 + 1);
    }

    proptest! {
        #[test]
        fn the_budget_is_the_last_cost_that_the_credit_pays(
            mode in modes(), decimals in 0..=9_u8, credit in prop_oneof![0..5_000_000_000_i64, 0..=i64::MAX],
        ) {
            let rounding = Rounding::new(mode, decimals).unwrap();
            let credit = Money::from_nanos(credit);
            let budget = rounding.budget_sixtieths(credit).unwrap();
            prop_assert!(rounding.round_sixtieths(budget).is_none_or(|cost| cost <= credit));
            prop_assert!(rounding.round_sixtieths(budget + 1).is_none_or(|cost| cost > credit));
        }
    }
}
