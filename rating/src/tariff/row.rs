//! A line of a deck, parsed: read by import, written by export.

use crate::{
    money::Money,
    prefix::Prefix,
    week::{DAY_MINUTES, Days},
};
use core::{fmt, str::FromStr};
use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// The dearest price, fee or charge a deck may hold: a million units. Above it is a typing error, and below it four
/// levels of markup stay in range.
pub const MAX_PRICE: Money = Money::from_nanos(1_000_000_000_000_000);

/// The longest block, free time or added time, in seconds: a day.
pub const MAX_BLOCK_SECONDS: u32 = 86_400;

/// The latest begin of a step, in seconds: thirty days.
pub const MAX_STEP_START: u32 = 30 * 86_400;

/// An end of the time in which a rate holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ValidityBound {
    /// Midnight of a date in the plan's zone (the day's first instant, where midnight is skipped).
    Date(Date),
    /// An instant.
    Instant(Timestamp),
}

/// Why a text is no end of a validity.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a validity is a date (2026-01-31) or an RFC 3339 time (2026-01-31T18:00:00Z)")]
pub struct ValidityError;

impl ValidityBound {
    /// The instant it is in a zone.
    pub fn instant(self, zone: &TimeZone) -> Timestamp {
        match self {
            Self::Instant(instant) => instant,
            // Past the end of jiff's calendar (the year 9999) only: there the bound is as far as time goes.
            Self::Date(date) => zone.to_timestamp(date.at(0, 0, 0, 0)).unwrap_or(Timestamp::MAX),
        }
    }
}

impl FromStr for ValidityBound {
    type Err = ValidityError;

    fn from_str(text: &str) -> Result<Self, ValidityError> {
        let is_date = text.len() == 10 && text.bytes().filter(|byte| *byte == b'-').count() == 2;
        if is_date {
            return text.parse().map(Self::Date).map_err(|_| ValidityError);
        }
        text.parse().map(Self::Instant).map_err(|_| ValidityError)
    }
}

impl fmt::Display for ValidityBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Date(date) => date.fmt(f),
            Self::Instant(instant) => instant.fmt(f),
        }
    }
}

/// A line of a deck with every column typed. Its values are checked by [`Tariff::compile`].
///
/// [`Tariff::compile`]: crate::tariff::Tariff::compile
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RateRow {
    /// The line it was read from, for reports; 0 where it comes from a compiled tariff.
    pub line: u64,
    /// The digits a number begins with.
    pub prefix: Prefix,
    /// The price of a minute in this step.
    pub price_per_minute: Money,
    /// Destination name of the prefix.
    pub destination: Box<str>,
    /// Charged once, however long the call.
    pub connect_fee: Money,
    /// The first block in seconds; 0 for none.
    pub initial_block: u32,
    /// The blocks after it in seconds.
    pub increment: u32,
    /// The second of the call from which this row's price and increment hold.
    pub step_start: u32,
    /// The days on which the window opens.
    pub days: Days,
    /// The minute of the day at which the window opens: 0 to 1439.
    pub from_minute: u16,
    /// The minute of the day at which it closes, exclusive: 1 to 1440, or less than `from_minute` where the window
    /// runs past midnight into the day after.
    pub to_minute: u16,
    /// When the rate begins to hold; always, where none.
    pub valid_from: Option<ValidityBound>,
    /// When it ends to hold, exclusive; never, where none.
    pub valid_until: Option<ValidityBound>,
    /// Calls of at most so many seconds cost nothing.
    pub free_below: u32,
    /// Seconds that are added to every answered duration.
    pub additional_time: u32,
    /// The least a charged call costs.
    pub min_charge: Option<Money>,
    /// The most a call costs.
    pub max_charge: Option<Money>,
    /// True if numbers with this prefix may not be called.
    pub blocked: bool,
}

impl RateRow {
    /// A row with the two required columns and the defaults of all others: blocks of a second, at all times.
    pub fn new(line: u64, prefix: Prefix, price_per_minute: Money) -> Self {
        Self {
            line,
            prefix,
            price_per_minute,
            destination: Box::default(),
            connect_fee: Money::ZERO,
            initial_block: 1,
            increment: 1,
            step_start: 0,
            days: Days::ALL,
            from_minute: 0,
            to_minute: DAY_MINUTES,
            valid_from: None,
            valid_until: None,
            free_below: 0,
            additional_time: 0,
            min_charge: None,
            max_charge: None,
            blocked: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_validity_is_a_date_or_an_instant() {
        let date: ValidityBound = "2026-03-29".parse().unwrap();
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(date.instant(&berlin), "2026-03-28T23:00:00Z".parse().unwrap());
        let instant: ValidityBound = "2026-03-29T02:00:00+02:00".parse().unwrap();
        assert_eq!(instant.instant(&berlin), "2026-03-29T00:00:00Z".parse().unwrap());
        assert_eq!(date.to_string(), "2026-03-29");
        assert_eq!(instant.to_string(), "2026-03-29T00:00:00Z");
        for text in ["", "2026", "2026-02-30", "29.03.2026", "2026-03-29T02:00:00", "20260329"] {
            assert_eq!(text.parse::<ValidityBound>(), Err(ValidityError), "{text:?}");
        }
    }

    #[test]
    fn where_midnight_is_skipped_a_date_begins_with_the_day() {
        let date: ValidityBound = "2024-03-31".parse().unwrap();
        let beirut = TimeZone::get("Asia/Beirut").unwrap();
        assert_eq!(date.instant(&beirut), "2024-03-30T22:00:00Z".parse().unwrap());
    }
}
