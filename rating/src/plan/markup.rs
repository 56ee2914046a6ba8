//! The derivation of a plan's prices from those below it: a markup, and overrides per prefix.

use crate::{
    money::Money,
    prefix::{IndexError, Prefix, PrefixIndex},
    tariff::MAX_PRICE,
};
use core::{fmt, str::FromStr};

/// The unit a markup counts in: 1 % is 10,000 millionths, its fourth decimal one.
const MILLION: u32 = 1_000_000;

/// A markup of percent with at most four decimals, never negative.
///
/// ```
/// use tollgate_rating::{Money, plan::Markup};
///
/// let markup: Markup = "20".parse().unwrap();
/// let price = Money::parse("0.0123").unwrap();
/// assert_eq!(markup.apply(price).unwrap().to_string(), "0.01476");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug, Hash)]
pub struct Markup {
    millionths: u32,
}

/// Why a text is no markup.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MarkupError {
    /// Something other than `digits[.digits]`.
    #[error("a markup is percent as digits with at most one point")]
    NotDecimal,
    /// More than four decimals.
    #[error("a markup has at most 4 decimals")]
    TooManyDecimals,
    /// Above [`Markup::MAX_PERCENT`].
    #[error("a markup is at most {} %", Markup::MAX_PERCENT)]
    TooLarge,
    /// Below zero: that would be selling under the price one pays.
    #[error("a markup is never negative")]
    Negative,
}

impl Markup {
    /// No markup: the price below is the price.
    pub const NONE: Self = Self { millionths: 0 };

    /// The largest markup in percent: eleven times the price. Four such levels above the dearest price a deck may
    /// hold would leave the range of an amount, which is a checked error; see [`Markup::apply`].
    pub const MAX_PERCENT: u32 = 1000;

    /// A markup of so many millionths of the price (1 % = 10,000); `None` above the maximum.
    pub const fn from_millionths(millionths: u32) -> Option<Self> {
        if millionths <= Self::MAX_PERCENT * 10_000 { Some(Self { millionths }) } else { None }
    }

    /// Millionths of the price that are added.
    pub const fn millionths(self) -> u32 {
        self.millionths
    }

    /// price × (1 + markup), rounded half-up to the nano: the derived price, which is printed and charged.
    /// `None` where the result is no amount.
    ///
    /// Prices are at most [`MAX_PRICE`] (10^6 units, 10^15 nano-units) and a factor is at most 11, so three levels
    /// cannot leave the range (1.3 × 10^18), nor four of up to 800 % each (6.6 × 10^18 < 9.2 × 10^18).
    pub fn apply(self, price: Money) -> Option<Money> {
        let nanos = u64::try_from(price.nanos()).ok()?;
        let factor = u64::from(MILLION + self.millionths);
        let half = u64::from(MILLION / 2);
        if let Some(scaled) = nanos.checked_mul(factor).and_then(|scaled| scaled.checked_add(half)) {
            return i64::try_from(scaled / u64::from(MILLION)).ok().map(Money::from_nanos);
        }
        let scaled = (u128::from(nanos) * u128::from(factor) + u128::from(half)) / u128::from(MILLION);
        i64::try_from(scaled).ok().map(Money::from_nanos)
    }
}

impl FromStr for Markup {
    type Err = MarkupError;

    /// Reads percent: `20`, `12.5`, `0.0001`.
    fn from_str(text: &str) -> Result<Self, MarkupError> {
        if text.starts_with('-') {
            return Err(MarkupError::Negative);
        }
        let (whole, fraction) = match text.split_once('.') {
            Some((_, "")) => return Err(MarkupError::NotDecimal),
            Some(parts) => parts,
            None => (text, ""),
        };
        if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
            return Err(MarkupError::NotDecimal);
        }
        if fraction.len() > 4 {
            return Err(MarkupError::TooManyDecimals);
        }
        if whole.len() > 5 {
            return Err(MarkupError::TooLarge);
        }
        let digits = whole.bytes().chain(fraction.bytes());
        let value = digits.fold(0_u32, |value, digit| value * 10 + u32::from(digit - b'0'));
        let millionths = (fraction.len()..4).fold(value, |value, _| value * 10);
        Self::from_millionths(millionths).ok_or(MarkupError::TooLarge)
    }
}

/// Percent without trailing zeros.
impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 1 % is 10,000 millionths as one unit is 10^9 nano-units.
        Money::from_nanos(i64::from(self.millionths) * 100_000).fmt(f)
    }
}

/// A derivation: a markup on all prices, and overrides per prefix.
#[derive(Debug)]
pub struct Derivation {
    markup: Markup,
    /// None where there are no overrides, which is usual and costs a lookup nothing.
    overrides: Option<Overrides>,
}

#[derive(Debug)]
struct Overrides {
    index: PrefixIndex,
    /// The price per minute of each prefix of `index`.
    prices: Box<[Money]>,
}

/// Why overrides are refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OverrideError {
    /// Two prices for one prefix, or too many prefixes.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A price below zero or above [`MAX_PRICE`].
    #[error("the price of prefix {prefix} is not between 0 and {MAX_PRICE}")]
    Price {
        /// Prefix of the price.
        prefix: Prefix,
    },
}

impl Derivation {
    /// A derivation without overrides.
    pub fn markup(markup: Markup) -> Self {
        Self { markup, overrides: None }
    }

    /// A derivation with prices per minute of its own for some prefixes.
    pub fn new(
        markup: Markup,
        overrides: impl IntoIterator<Item = (Prefix, Money)>,
    ) -> Result<Self, OverrideError> {
        let mut sorted: Vec<(Prefix, Money)> = overrides.into_iter().collect();
        sorted.sort_by_key(|(prefix, _)| *prefix);
        if let Some((prefix, _)) = sorted.iter().find(|(_, price)| price.is_negative() || *price > MAX_PRICE)
        {
            return Err(OverrideError::Price { prefix: *prefix });
        }
        if sorted.is_empty() {
            return Ok(Self::markup(markup));
        }
        let index = PrefixIndex::build(sorted.iter().map(|(prefix, _)| *prefix))?;
        let prices = sorted.into_iter().map(|(_, price)| price).collect();
        Ok(Self { markup, overrides: Some(Overrides { index, prices }) })
    }

    /// The markup.
    pub const fn percent(&self) -> Markup {
        self.markup
    }

    /// The overrides, in the order of their prefixes.
    pub fn overrides(&self) -> impl Iterator<Item = (Prefix, Money)> + '_ {
        self.overrides.iter().flat_map(|all| all.index.iter().zip(all.prices.iter().copied()))
    }

    /// The override with the longest prefix that a number (its value and its count of digits) begins with, if that is
    /// at least as long as the one matched below.
    pub(crate) fn price_for(&self, value: u64, digits: u8, matched: Prefix) -> Option<(Prefix, Money)> {
        let overrides = self.overrides.as_ref()?;
        let (position, prefix) = overrides.index.lookup_digits(value, digits)?;
        if prefix.digits() < matched.digits() {
            return None;
        }
        overrides.prices.get(position as usize).map(|price| (prefix, *price))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percent_is_read_to_four_decimals() {
        for (text, millionths) in
            [("0", 0), ("20", 200_000), ("12.5", 125_000), ("0.0001", 1), ("1000", 10_000_000)]
        {
            let markup: Markup = text.parse().unwrap();
            assert_eq!(markup.millionths(), millionths);
            assert_eq!(markup.to_string(), text);
        }
        assert_eq!("1000.0001".parse::<Markup>(), Err(MarkupError::TooLarge));
        assert_eq!("99999999999".parse::<Markup>(), Err(MarkupError::TooLarge));
        assert_eq!("0.00001".parse::<Markup>(), Err(MarkupError::TooManyDecimals));
        assert_eq!("-1".parse::<Markup>(), Err(MarkupError::Negative));
        for text in ["", ".", "1.", ".5", "1e2", "20%", "+1", "1,5"] {
            assert_eq!(text.parse::<Markup>(), Err(MarkupError::NotDecimal), "{text:?}");
        }
    }

    #[test]
    fn a_derived_price_is_rounded_half_up_to_the_nano() {
        let half: Markup = "50".parse().unwrap();
        assert_eq!(half.apply(Money::from_nanos(1)), Some(Money::from_nanos(2)));
        assert_eq!(half.apply(Money::from_nanos(2)), Some(Money::from_nanos(3)));
        let little: Markup = "0.0001".parse().unwrap();
        assert_eq!(little.apply(Money::from_nanos(499_999)), Some(Money::from_nanos(499_999)));
        assert_eq!(little.apply(Money::from_nanos(500_000)), Some(Money::from_nanos(500_001)));
        assert_eq!(half.apply(Money::MAX), None);
        assert_eq!(half.apply(Money::from_nanos(-1)), None);
    }

    #[test]
    fn overrides_are_bounded_and_unique() {
        let prefix: Prefix = "49".parse().unwrap();
        let dear = Money::from_nanos(MAX_PRICE.nanos() + 1);
        assert!(matches!(Derivation::new(Markup::NONE, [(prefix, dear)]), Err(OverrideError::Price { .. })));
        let twice = [(prefix, Money::ZERO), (prefix, Money::ZERO)];
        assert!(matches!(Derivation::new(Markup::NONE, twice), Err(OverrideError::Index(_))));
    }

    proptest! {
        #[test]
        fn four_levels_never_overflow_silently(
            price in 0..=MAX_PRICE.nanos(),
            markups in prop::collection::vec(0..=Markup::MAX_PERCENT * 10_000, 4),
        ) {
            let levels = markups.iter().map(|millionths| Markup::from_millionths(*millionths).unwrap());
            let mut exact = i128::from(price);
            let mut derived = Some(Money::from_nanos(price));
            for level in levels {
                exact = (exact * i128::from(MILLION + level.millionths()) + 500_000) / 1_000_000;
                derived = derived.and_then(|price| level.apply(price));
            }
            prop_assert_eq!(derived.map(|price| i128::from(price.nanos())), i64::try_from(exact).ok().map(i128::from));
            if markups.iter().all(|millionths| *millionths <= 8_000_000) {
                prop_assert!(derived.is_some());
            }
        }
    }
}
