//! One line of a deck, parsed: what import reads and export writes.

use crate::{money::Money, prefix::Prefix};
use core::{fmt, str::FromStr};
use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// Minutes in a day.
pub const DAY_MINUTES: u16 = 1440;

/// The dearest price, fee or charge a deck may hold: a million units. Above it is a typing error, and below it four
/// levels of markup stay in range.
pub const MAX_PRICE: Money = Money::from_nanos(1_000_000_000_000_000);

/// The longest block, free time or added time, in seconds: a day.
pub const MAX_BLOCK_SECONDS: u32 = 86_400;

/// The latest begin of a step, in seconds: thirty days.
pub const MAX_STEP_START: u32 = 30 * 86_400;

/// The days of the week on which a window opens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Days(u8);

/// Why a text is no list of days.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("days are 1 (Monday) to 7, as 1-5 or 6,7")]
pub struct DaysError;

impl Days {
    /// Every day.
    pub const ALL: Self = Self(0b111_1111);

    /// The days whose bits are set, bit 0 being Monday; `None` where no day or another bit is set.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        if bits == 0 || bits > Self::ALL.0 { None } else { Some(Self(bits)) }
    }

    /// A bit for each day, bit 0 being Monday.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// How many days there are: 1 to 7.
    #[expect(clippy::cast_possible_truncation, reason = "at most seven")]
    pub const fn count(self) -> u16 {
        self.0.count_ones() as u16
    }

    /// The days as numbers from 0, Monday.
    pub fn indexes(self) -> impl Iterator<Item = u16> {
        (0..7).filter(move |day| self.0 >> day & 1 == 1)
    }
}

impl FromStr for Days {
    type Err = DaysError;

    /// Reads ISO days and ranges: `1-5`, `6,7`, `1,3-5`. A day named twice counts once; a range runs forward.
    fn from_str(text: &str) -> Result<Self, DaysError> {
        let day = |text: &str| match text.as_bytes() {
            [digit @ b'1'..=b'7'] => Ok(u32::from(digit - b'1')),
            _ => Err(DaysError),
        };
        let mut bits = 0;
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (day(first)?, day(last)?);
            if first > last {
                return Err(DaysError);
            }
            for index in first..=last {
                bits |= 1 << index;
            }
        }
        Self::from_bits(bits).ok_or(DaysError)
    }
}

/// The shortest text: runs of two or more days as a range.
impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = 0;
        let mut comma = "";
        while first < 7 {
            let run = (self.0 >> first).trailing_ones();
            match run {
                0 => first += 1,
                1 => write!(f, "{comma}{}", first + 1)?,
                2 => write!(f, "{comma}{},{}", first + 1, first + 2)?,
                _ => write!(f, "{comma}{}-{}", first + 1, first + run)?,
            }
            if run > 0 {
                comma = ",";
                first += run;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Days({self})")
    }
}

/// Why a text is no time of day.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a time of day is HH:MM from 00:00 to 24:00")]
pub struct TimeError;

/// Reads `HH:MM` as a minute of the day, 0 to 1440 (24:00, which only a window's end may be).
pub fn parse_minute(text: &str) -> Result<u16, TimeError> {
    let &[h1, h2, b':', m1, m2] = text.as_bytes() else { return Err(TimeError) };
    let digit = |byte: u8| if byte.is_ascii_digit() { Ok(u16::from(byte - b'0')) } else { Err(TimeError) };
    let (hour, minute) = (digit(h1)? * 10 + digit(h2)?, digit(m1)? * 10 + digit(m2)?);
    let total = hour * 60 + minute;
    if minute < 60 && total <= DAY_MINUTES { Ok(total) } else { Err(TimeError) }
}

/// A minute of the day as `HH:MM`.
pub fn format_minute(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

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

/// One line of a deck with every column typed. Its values are checked by [`Tariff::compile`].
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
    /// What the prefix is called.
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
    /// Whether numbers with this prefix may not be called.
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
    fn days_are_read_and_written_as_iso_numbers() {
        for (text, bits) in
            [("1-5", 0b001_1111), ("6,7", 0b110_0000), ("1,3-5", 0b001_1101), ("1-7", 0b111_1111), ("7", 64)]
        {
            let days: Days = text.parse().unwrap();
            assert_eq!(days.bits(), bits);
            assert_eq!(days.to_string(), text);
        }
        assert_eq!("5,1,2,2,3".parse::<Days>().unwrap().to_string(), "1-3,5");
        for text in ["", "0", "8", "5-1", "1-", "1,,2", "Mon", "1 - 5", "-"] {
            assert_eq!(text.parse::<Days>(), Err(DaysError), "{text:?}");
        }
    }

    #[test]
    fn every_set_of_days_reads_back() {
        for bits in 1..=127 {
            let days = Days::from_bits(bits).unwrap();
            assert_eq!(days.to_string().parse(), Ok(days));
        }
        assert_eq!(Days::from_bits(0), None);
        assert_eq!(Days::from_bits(128), None);
    }

    #[test]
    fn a_time_of_day_is_two_digits_twice() {
        assert_eq!(parse_minute("00:00"), Ok(0));
        assert_eq!(parse_minute("24:00"), Ok(1440));
        assert_eq!(format_minute(485), "08:05");
        for text in ["24:01", "12:60", "8:00", "08:0", "0800", "08:00:00", "-1:00", "25:00", "٠٨:٠٠"] {
            assert_eq!(parse_minute(text), Err(TimeError), "{text:?}");
        }
    }

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
