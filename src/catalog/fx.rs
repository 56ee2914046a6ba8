//! Exchange rates: dated, exact, and one rounding per price.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use tollgate_rating::{
    Money,
    tariff::{MAX_PRICE, RateRow},
};

/// Units of the last decimal of a rate in one: rates have at most twelve decimals, enough for six figures of the
/// smallest units that are traded.
const PICO: i128 = 1_000_000_000_000;
/// Decimals of a rate.
const DECIMALS: usize = 12;

/// An ISO 4217 code: three capital letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// Why a text is no currency.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a currency is three capital letters, such as EUR")]
pub struct CurrencyError;

impl FromStr for Currency {
    type Err = CurrencyError;

    fn from_str(text: &str) -> Result<Self, CurrencyError> {
        match text.as_bytes() {
            [a, b, c] if [a, b, c].iter().all(|byte| byte.is_ascii_uppercase()) => Ok(Self([*a, *b, *c])),
            _ => Err(CurrencyError),
        }
    }
}

impl Currency {
    /// The three letters.
    pub fn as_str(&self) -> &str {
        // Only capital letters are ever put in.
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An exchange rate: the price of one unit of a currency in another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Rate {
    pico: i64,
}

/// Why a text is no exchange rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "an exchange rate is digits with at most {DECIMALS} decimals, above 0 and at most a million, such as 0.9215"
)]
pub struct RateError;

/// A converted price is above what a deck may hold.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("prefix {prefix}: a price is too large after conversion")]
pub struct TooLarge {
    /// The currency that is priced.
    pub prefix: String,
}

impl Rate {
    /// A rate of so many 1e-12; `None` unless above zero.
    pub const fn from_pico(pico: i64) -> Option<Self> {
        if pico > 0 { Some(Self { pico }) } else { None }
    }

    /// The rate in 1e-12.
    pub const fn pico(self) -> i64 {
        self.pico
    }

    /// amount × rate, rounded once to the nano, half-up; `None` where it is no amount. Amounts are not negative.
    ///
    /// | amount | rate | result |
    /// |---|---|---|
    /// | 0.0125 | 0.92 | 0.0115 |
    /// | 0.000000001 | 0.5 | 0.000000001 |
    /// | 0.000000001 | 0.499999999999 | 0 |
    pub fn convert(self, amount: Money) -> Option<Money> {
        debug_assert!(!amount.is_negative(), "prices are never negative");
        let product = i128::from(amount.nanos()) * i128::from(self.pico);
        i64::try_from((product + PICO / 2) / PICO).ok().map(Money::from_nanos)
    }

    /// A deck's row with every amount converted.
    pub fn convert_row(self, row: RateRow) -> Result<RateRow, TooLarge> {
        let convert = |amount: Money| {
            self.convert(amount)
                .filter(|converted| *converted <= MAX_PRICE)
                .ok_or_else(|| TooLarge { prefix: row.prefix.to_string() })
        };
        Ok(RateRow {
            price_per_minute: convert(row.price_per_minute)?,
            connect_fee: convert(row.connect_fee)?,
            min_charge: row.min_charge.map(convert).transpose()?,
            max_charge: row.max_charge.map(convert).transpose()?,
            ..row
        })
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || whole.len() > 7 || decimals.len() > DECIMALS {
            return Err(RateError);
        }
        let pico: i64 = format!("{whole}{decimals:0<DECIMALS$}").parse().map_err(|_| RateError)?;
        if i128::from(pico) > 1_000_000 * PICO {
            return Err(RateError);
        }
        Self::from_pico(pico).ok_or(RateError)
    }
}

/// Decimal text without trailing zeros.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, decimals) = (i128::from(self.pico) / PICO, i128::from(self.pico) % PICO);
        if decimals == 0 {
            return write!(f, "{whole}");
        }
        let decimals = format!("{decimals:0DECIMALS$}");
        write!(f, "{whole}.{}", decimals.trim_end_matches('0'))
    }
}

/// Reads `--from`: a date (its midnight in UTC) or an RFC 3339 time.
pub fn parse_from(text: &str) -> Option<Timestamp> {
    if let Ok(instant) = text.parse() {
        return Some(instant);
    }
    let date: jiff::civil::Date = text.parse().ok()?;
    jiff::tz::TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rates_are_plain_decimals() {
        for text in ["0.9215", "1", "0.000000000001", "27000.5", "1000000"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        for bad in
            ["", "0", "0.0", "-1", "1e3", ".5", "1.", "0.0000000000001", "1000000.1", "1,2", "99999999"]
        {
            assert_eq!(bad.parse::<Rate>(), Err(RateError), "{bad}");
        }
    }

    #[test]
    fn a_price_is_converted_exactly_and_rounded_once() {
        let convert = |amount: i64, rate: &str| {
            rate.parse::<Rate>().unwrap().convert(Money::from_nanos(amount)).unwrap().nanos()
        };
        assert_eq!(convert(12_500_000, "0.92"), 11_500_000);
        assert_eq!(convert(1, "0.5"), 1);
        assert_eq!(convert(1, "0.499999999999"), 0);
        assert_eq!(convert(333_333_333, "0.921512345678"), 307_170_782);
        assert_eq!("1000000".parse::<Rate>().unwrap().convert(Money::MAX), None);
    }

    #[test]
    fn a_date_begins_at_midnight_in_utc() {
        assert_eq!(parse_from("2026-07-01"), "2026-07-01T00:00:00Z".parse().ok());
        assert_eq!(parse_from("2026-07-01T02:00:00+02:00"), "2026-07-01T00:00:00Z".parse().ok());
        assert_eq!(parse_from("yesterday"), None);
    }

    proptest! {
        #[test]
        fn a_rate_of_one_changes_nothing(nanos in 0..=i64::MAX) {
            let one: Rate = "1".parse().unwrap();
            prop_assert_eq!(one.convert(Money::from_nanos(nanos)), Some(Money::from_nanos(nanos)));
        }

        #[test]
        fn rates_read_back_as_printed(pico in 1..=1_000_000_000_000_000_000_i64) {
            let rate = Rate::from_pico(pico).unwrap();
            prop_assert_eq!(rate.to_string().parse::<Rate>(), Ok(rate));
        }
    }
}
