//! The week of a rate: days, times of day, and the window that holds at each minute.

use core::{fmt, str::FromStr};

/// Minutes in a day.
pub const DAY_MINUTES: u16 = 1440;

/// Minutes in a week.
pub const WEEK_MINUTES: u16 = 7 * DAY_MINUTES;

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

/// When a window is open: on these days from a minute of the day to another, exclusive, which may lie on the day
/// after.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Opening {
    pub(crate) days: Days,
    pub(crate) from: u16,
    /// 1 to 1440; less than `from` where it wraps.
    pub(crate) to: u16,
}

impl Opening {
    pub(crate) const ALWAYS: Self = Self { days: Days::ALL, from: 0, to: DAY_MINUTES };

    /// Minutes a day.
    fn length(self) -> u16 {
        if self.to > self.from { self.to - self.from } else { DAY_MINUTES - self.from + self.to }
    }

    /// Minutes a week: the narrowest window wins.
    fn width(self) -> u16 {
        self.days.count() * self.length()
    }

    /// The stretches of the week it covers, by their first and last minutes (exclusive), none over the week's end.
    fn stretches(self) -> impl Iterator<Item = (u16, u16)> {
        self.days.indexes().flat_map(move |day| {
            let from = day * DAY_MINUTES + self.from;
            let until = from + self.length();
            let wrapped = until.saturating_sub(WEEK_MINUTES);
            [(from, until.min(WEEK_MINUTES)), (0, wrapped)].into_iter().filter(|(from, until)| from < until)
        })
    }
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}-{}", self.days, format_minute(self.from), format_minute(self.to))
    }
}

/// The windows of a week in the order in which they open: from each minute on, the window of that position holds,
/// until the next. The first begins at minute 0, Monday's midnight; neighbours differ.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Week {
    changes: Box<[(u16, u16)]>,
}

/// Why windows make no week.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WeekError {
    /// No window holds at this minute of the week.
    Uncovered(u16),
    /// Two windows of one width, by their positions, hold at this minute of the week.
    Ambiguous(usize, usize, u16),
}

/// "day 3 08:30": how a reason names a minute of the week.
pub(crate) fn format_week_minute(minute: u16) -> String {
    format!("day {} {}", minute / DAY_MINUTES + 1, format_minute(minute % DAY_MINUTES))
}

impl Week {
    /// The week of windows, each known by its position; the narrowest that is open holds.
    pub(crate) fn new(openings: &[Opening]) -> Result<Self, WeekError> {
        const NONE: u16 = u16::MAX;
        if let [Opening::ALWAYS] = openings {
            return Ok(Self { changes: [(0, 0)].into() });
        }
        let mut by_width: Vec<(u16, usize)> =
            openings.iter().enumerate().map(|(position, opening)| (opening.width(), position)).collect();
        by_width.sort_unstable();
        // Painted narrowest first: what is painted already is held by one at least as narrow. The last painter is
        // known beside the holder, because windows of one width clash even where a narrower one hides it.
        let mut minutes = vec![(NONE, NONE); WEEK_MINUTES.into()];
        for (width, position) in by_width {
            let painter = u16::try_from(position).unwrap_or(NONE);
            for (from, until) in openings[position].stretches() {
                for minute in from..until {
                    let (holder, last) = &mut minutes[usize::from(minute)];
                    if *holder == NONE {
                        *holder = painter;
                    } else if openings[usize::from(*last)].width() == width {
                        return Err(WeekError::Ambiguous(usize::from(*last), position, minute));
                    }
                    *last = painter;
                }
            }
        }
        let mut changes: Vec<(u16, u16)> = Vec::new();
        for (minute, (holder, _)) in (0..).zip(minutes) {
            if holder == NONE {
                return Err(WeekError::Uncovered(minute));
            }
            if changes.last().is_none_or(|(_, last)| *last != holder) {
                changes.push((minute, holder));
            }
        }
        Ok(Self { changes: changes.into_boxed_slice() })
    }

    /// A week from its changes, as [`Week::changes`] gave them; `None` if they are none, or name a window past
    /// `windows`.
    pub(crate) fn from_changes(changes: Vec<(u16, u16)>, windows: usize) -> Option<Self> {
        let begins = changes.first().is_some_and(|(minute, _)| *minute == 0);
        let ordered = changes.is_sorted_by(|(a, _), (b, _)| a < b);
        let inside =
            changes.iter().all(|(minute, window)| *minute < WEEK_MINUTES && usize::from(*window) < windows);
        (begins && ordered && inside).then(|| Self { changes: changes.into_boxed_slice() })
    }

    /// The minute of the week from which each window holds.
    pub(crate) fn changes(&self) -> &[(u16, u16)] {
        &self.changes
    }

    /// The window that holds at a second of the week, and the second at which the next one opens (at the latest
    /// the week's end).
    pub(crate) fn at(&self, second: u32) -> (usize, u32) {
        let after = self.changes.partition_point(|(minute, _)| u32::from(*minute) * 60 <= second);
        let until = self.changes.get(after).map_or(WEEK_MINUTES, |(minute, _)| *minute);
        let holder = after.checked_sub(1).and_then(|position| self.changes.get(position));
        debug_assert!(holder.is_some(), "a week begins at minute 0");
        (holder.map_or(0, |(_, window)| usize::from(*window)), u32::from(until) * 60)
    }

    /// Reports whether no window ever gives way to another.
    pub(crate) fn is_constant(&self) -> bool {
        self.changes.len() == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening(days: &str, from: u16, to: u16) -> Opening {
        Opening { days: days.parse().unwrap(), from, to }
    }

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
    fn the_narrowest_window_holds() {
        let openings = [opening("1-7", 0, 1440), opening("1-5", 480, 1080), opening("3", 600, 660)];
        let week = Week::new(&openings).unwrap();
        let at = |day: u32, minute: u32| week.at((day - 1) * 86_400 + minute * 60).0;
        assert_eq!(at(1, 479), 0);
        assert_eq!(at(1, 480), 1);
        assert_eq!(at(3, 600), 2);
        assert_eq!(at(3, 660), 1);
        assert_eq!(at(3, 1080), 0);
        assert_eq!(at(6, 600), 0);
        assert_eq!(week.at(0), (0, 480 * 60));
        assert_eq!(week.at(7 * 86_400 - 1), (0, 7 * 86_400));
    }

    #[test]
    fn a_window_past_midnight_belongs_to_the_day_on_which_it_opens() {
        let openings = [opening("1-7", 0, 1440), opening("7", 1320, 360)];
        let week = Week::new(&openings).unwrap();
        assert_eq!(week.changes(), [(0, 1), (360, 0), (6 * 1440 + 1320, 1)]);
    }

    #[test]
    fn a_minute_without_a_window_is_found() {
        let openings = [opening("1-5", 0, 1440), opening("6,7", 0, 1439)];
        assert_eq!(Week::new(&openings), Err(WeekError::Uncovered(6 * 1440 - 1)));
        assert_eq!(format_week_minute(6 * 1440 - 1), "day 6 23:59");
    }

    #[test]
    fn windows_of_one_width_may_not_meet() {
        let openings = [opening("1-7", 0, 1440), opening("1", 0, 60), opening("1", 59, 119)];
        assert_eq!(Week::new(&openings), Err(WeekError::Ambiguous(1, 2, 59)));
        let openings = [opening("1-7", 0, 1440), opening("1", 0, 60), opening("1", 60, 120)];
        assert!(Week::new(&openings).is_ok());
    }

    #[test]
    fn equal_widths_clash_even_under_a_narrower_window() {
        // 00:00 to 02:00 and 01:00 to 03:00 meet only where a narrower one hides them.
        let openings =
            [opening("1-7", 0, 1440), opening("1", 0, 120), opening("1", 60, 180), opening("1", 60, 120)];
        assert_eq!(Week::new(&openings), Err(WeekError::Ambiguous(1, 2, 60)));
    }
}
