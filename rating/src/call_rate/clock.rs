//! The window of a week that holds at a second of the clock.

use crate::week::{WEEK_MINUTES, Week};
use jiff::{Timestamp, tz::TimeZone};

/// Seconds in a week.
const WEEK_SECONDS: i64 = WEEK_MINUTES as i64 * 60;

/// From Monday's midnight to the epoch, which was a Thursday.
const EPOCH_IN_WEEK: i64 = 3 * 86_400;

/// Which window holds at a second of the clock, in a zone that has summer time or not.
pub(super) struct WeekClock<'a> {
    week: &'a Week,
    zone: &'a TimeZone,
    /// The seconds from and until (exclusive) which the zone has one offset, and that.
    offset: Option<(i64, i64, i64)>,
}

impl<'a> WeekClock<'a> {
    pub(super) fn new(week: &'a Week, zone: &'a TimeZone) -> Self {
        Self { week, zone, offset: None }
    }

    /// The window at a second since the epoch, and a later second up to which it holds for certain (exclusive): the
    /// next opening if the offset stays, or the change of the offset.
    pub(super) fn at(&mut self, second: i64) -> (usize, i64) {
        if self.week.is_constant() {
            return (self.week.at(0).0, i64::MAX);
        }
        let (offset_until, offset) = match self.offset {
            Some((from, until, offset)) if from <= second && second < until => (until, offset),
            _ => self.look_up(second),
        };
        let of_week = (second + offset + EPOCH_IN_WEEK).rem_euclid(WEEK_SECONDS);
        let (window, next) = self.week.at(u32::try_from(of_week).unwrap_or(0));
        (window, (second + i64::from(next) - of_week).min(offset_until))
    }

    fn look_up(&mut self, second: i64) -> (i64, i64) {
        // Beyond jiff's calendar (the year 9999) the last offset stays.
        let Ok(instant) = Timestamp::from_second(second) else {
            return (i64::MAX, self.offset.map_or(0, |(_, _, offset)| offset));
        };
        let offset = i64::from(self.zone.to_offset(instant).seconds());
        let transition = self.zone.following(instant).next();
        let until = transition.map_or(i64::MAX, |transition| transition.timestamp().as_second());
        self.offset = Some((second, until, offset));
        (until, offset)
    }
}
