//! Money: a whole number of nano-units of a currency.
//!
//! Text and `rust_decimal` appear at the edges only. The text form is strict because lenient parsers cost money:
//! `1_000`, `.5`, `1e5`, `+1` and ` 1` are refused, and so is a tenth decimal, which would have to be rounded.
//!
//! ```
//! use tollgate_rating::money::{Money, MoneyError};
//!
//! assert_eq!(Money::parse("-0.0123").unwrap().nanos(), -12_300_000);
//! assert_eq!(Money::parse("1e5"), Err(MoneyError::NotDecimal));
//! assert_eq!(Money::parse("0.1234567891"), Err(MoneyError::TooManyDecimals));
//! ```

use core::fmt;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Decimals of an amount: a nano-unit is the ninth.
pub const DECIMALS: u32 = 9;

/// Nano-units in one unit of currency.
pub const NANOS_PER_UNIT: i64 = 1_000_000_000;

/// Digits before the point: the largest amount has ten.
const MAX_WHOLE_DIGITS: usize = 10;

/// Why a text or a decimal is no amount.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MoneyError {
    /// There is nothing, or a sign alone.
    #[error("is empty")]
    Empty,
    /// Something other than `-?digits[.digits]`.
    #[error("is not a decimal number (digits, at most one point)")]
    NotDecimal,
    /// More than nine decimals.
    #[error("has more than 9 decimals")]
    TooManyDecimals,
    /// Beyond ±9,223,372,036.854775807.
    #[error("is too large")]
    TooLarge,
    /// Below zero where that has no meaning.
    #[error("is negative")]
    Negative,
}

/// An amount in nano-units (1e-9) of a currency that the context names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(i64);

impl Money {
    /// No money.
    pub const ZERO: Self = Self(0);
    /// The largest amount that can be held.
    pub const MAX: Self = Self(i64::MAX);

    /// An amount of so many nano-units.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The amount in nano-units.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// The sum, or `None` where it does not fit.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(nanos) => Some(Self(nanos)),
            None => None,
        }
    }

    /// The difference, or `None` where it does not fit.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(nanos) => Some(Self(nanos)),
            None => None,
        }
    }

    /// The amount with the other sign, or `None` where it does not fit.
    pub const fn checked_neg(self) -> Option<Self> {
        match self.0.checked_neg() {
            Some(nanos) => Some(Self(nanos)),
            None => None,
        }
    }

    /// Reads `-?digits[.digits]` with at most nine decimals, and nothing else: no sign `+`, no exponent, no
    /// separators, no blanks, a digit on both sides of the point.
    ///
    /// | text | amount or error |
    /// |---|---|
    /// | `12` | 12 units |
    /// | `-0.05` | −50,000,000 nano-units |
    /// | `0.000000001` | 1 nano-unit |
    /// | `0.0000000010` | [`MoneyError::TooManyDecimals`] |
    /// | `9223372037` | [`MoneyError::TooLarge`] |
    /// | `.5`, `5.`, `+5`, `5e3`, `5 `, `5,0` | [`MoneyError::NotDecimal`] |
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        let (negative, magnitude) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if magnitude.is_empty() {
            return Err(MoneyError::Empty);
        }
        let (whole, fraction) = match magnitude.split_once('.') {
            Some((_, "")) => return Err(MoneyError::NotDecimal),
            Some(parts) => parts,
            None => (magnitude, ""),
        };
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return Err(MoneyError::NotDecimal);
        }
        if whole.len() > MAX_WHOLE_DIGITS {
            return Err(MoneyError::TooLarge);
        }
        if fraction.len() > DECIMALS as usize {
            return Err(MoneyError::TooManyDecimals);
        }
        // At most 19 digits in all: the fold cannot overflow 128 bits.
        let digits = whole.bytes().chain(fraction.bytes());
        let value = digits.fold(0_i128, |value, digit| value * 10 + i128::from(digit - b'0'));
        let missing = fraction.len()..DECIMALS as usize;
        let nanos = missing.fold(value, |value, _| value * 10);
        let signed = if negative { -nanos } else { nanos };
        i64::try_from(signed).map(Self).map_err(|_| MoneyError::TooLarge)
    }

    /// As [`Money::parse`], and refuses an amount below zero.
    pub fn parse_non_negative(text: &str) -> Result<Self, MoneyError> {
        let amount = Self::parse(text)?;
        if amount.is_negative() { Err(MoneyError::Negative) } else { Ok(amount) }
    }

    /// The exact amount as a decimal without trailing zeros.
    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.0, DECIMALS).normalize()
    }

    /// The exact amount; an error where a decimal has digits past the ninth place or is too large.
    pub fn from_decimal(decimal: Decimal) -> Result<Self, MoneyError> {
        let decimal = decimal.normalize();
        let missing = DECIMALS.checked_sub(decimal.scale()).ok_or(MoneyError::TooManyDecimals)?;
        let factor = 10_i128.pow(missing);
        let nanos = decimal.mantissa().checked_mul(factor).ok_or(MoneyError::TooLarge)?;
        i64::try_from(nanos).map(Self).map_err(|_| MoneyError::TooLarge)
    }

    /// The sum of many amounts in nano-units; 2^63 amounts fit, so no sum across accounts overflows.
    pub fn sum_nanos(amounts: impl IntoIterator<Item = Self>) -> i128 {
        amounts.into_iter().map(|amount| i128::from(amount.0)).sum()
    }

    /// The sum of many amounts, or `None` where the result is no amount. What lies between may be out of range.
    pub fn checked_sum(amounts: impl IntoIterator<Item = Self>) -> Option<Self> {
        i64::try_from(Self::sum_nanos(amounts)).ok().map(Self)
    }

    /// Reports whether it is below zero.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }
}

/// Decimal text without trailing zeros: `1`, `-0.0123`, `12.5`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = NANOS_PER_UNIT.unsigned_abs();
        let magnitude = self.0.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, nanos) = (magnitude / unit, magnitude % unit);
        if nanos == 0 {
            return write!(f, "{sign}{whole}");
        }
        let fraction = format!("{nanos:09}");
        write!(f, "{sign}{whole}.{}", fraction.trim_end_matches('0'))
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    /// [`Money::parse`].
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_plain_decimals_are_read() {
        for text in
            [".5", "5.", "+5", "5e3", " 5", "5 ", "5,0", "1_000", "1.2.3", "--1", "0x1", "٣", "NaN", "."]
        {
            assert_eq!(Money::parse(text), Err(MoneyError::NotDecimal), "{text:?}");
        }
        assert_eq!(Money::parse(""), Err(MoneyError::Empty));
        assert_eq!(Money::parse("-"), Err(MoneyError::Empty));
    }

    #[test]
    fn the_whole_range_is_read_and_not_a_nano_more() {
        assert_eq!(Money::parse("9223372036.854775807"), Ok(Money::MAX));
        assert_eq!(Money::parse("9223372036.854775808"), Err(MoneyError::TooLarge));
        assert_eq!(Money::parse("-9223372036.854775808"), Ok(Money::from_nanos(i64::MIN)));
        assert_eq!(Money::parse("-9223372036.854775809"), Err(MoneyError::TooLarge));
        assert_eq!(Money::parse("10000000000"), Err(MoneyError::TooLarge));
        assert_eq!(Money::parse("99999999999"), Err(MoneyError::TooLarge));
        assert_eq!(Money::parse("0.0000000001"), Err(MoneyError::TooManyDecimals));
    }

    #[test]
    fn a_price_may_not_be_negative() {
        assert_eq!(Money::parse_non_negative("-0.01"), Err(MoneyError::Negative));
        assert_eq!(Money::parse_non_negative("-0"), Ok(Money::ZERO));
        assert_eq!(Money::parse_non_negative("0.01"), Ok(Money::from_nanos(10_000_000)));
    }

    #[test]
    fn a_decimal_with_a_tenth_place_is_refused_and_trailing_zeros_are_not() {
        assert_eq!(Money::from_decimal(Decimal::new(1, 10)), Err(MoneyError::TooManyDecimals));
        assert_eq!(Money::from_decimal(Decimal::new(10, 10)), Ok(Money::from_nanos(1)));
        assert_eq!(Money::from_decimal(Decimal::MAX), Err(MoneyError::TooLarge));
        assert_eq!(Money::from_nanos(1_500_000_000).to_decimal().to_string(), "1.5");
    }

    #[test]
    fn a_sum_may_leave_the_range_on_the_way() {
        let amounts = [Money::MAX, Money::MAX, Money::from_nanos(-i64::MAX)];
        assert_eq!(Money::checked_sum(amounts), Some(Money::MAX));
        assert_eq!(Money::checked_sum([Money::MAX, Money::from_nanos(1)]), None);
        assert_eq!(Money::sum_nanos([Money::MAX, Money::MAX]), 2 * i128::from(i64::MAX));
    }

    proptest! {
        #[test]
        fn text_and_decimal_give_the_same_amount_back(nanos in any::<i64>()) {
            let amount = Money::from_nanos(nanos);
            prop_assert_eq!(Money::parse(&amount.to_string()), Ok(amount));
            prop_assert_eq!(Money::from_decimal(amount.to_decimal()), Ok(amount));
        }

        #[test]
        fn any_text_is_read_or_refused_without_panic(text in "[-0-9.]{0,24}|.{0,12}") {
            if let Ok(amount) = Money::parse(&text) {
                let decimal = Decimal::from_str_exact(&text).unwrap();
                prop_assert_eq!(amount.to_decimal(), decimal.normalize());
            }
        }
    }
}
