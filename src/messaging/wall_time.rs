//! Times as people write them: the local time of the deployment's zone, without one.

use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, civil::DateTime};

/// How a time is written.
const FORM: &str = "%Y-%m-%d %H:%M:%S";
/// Characters of a time so written.
const CHARS: usize = 19;
/// The furthest that a message may be scheduled ahead, so that a typing error in the year is refused.
const MAX_AHEAD: SignedDuration = SignedDuration::from_hours(24 * 366);

/// Errors of a scheduled time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhenError {
    /// It is not written as times are.
    #[error("a time like \"2026-05-09 23:00:00\" is needed")]
    Form,
    /// The clock is put forward over it.
    #[error("there is no such time: the clock is put forward over it")]
    Impossible,
    /// It is over.
    #[error("it is in the past")]
    Past,
    /// It is further ahead than a year.
    #[error("it is more than a year ahead")]
    TooFar,
}

/// The moment that a local time means. One that the clock shows twice is the first of the two.
pub fn read(text: &str, zone: &TimeZone, now: Timestamp) -> Result<Timestamp, WhenError> {
    if text.len() != CHARS {
        return Err(WhenError::Form);
    }
    let local = DateTime::strptime(FORM, text).map_err(|_| WhenError::Form)?;
    // A second 60 would be read as the one before it.
    if local.strftime(FORM).to_string() != text {
        return Err(WhenError::Form);
    }
    // The parser accepts spaces and missing zeros.
    if local.strftime(FORM).to_string() != text {
        return Err(WhenError::Form);
    }
    let ambiguous = zone.to_ambiguous_timestamp(local);
    if matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. }) {
        return Err(WhenError::Impossible);
    }
    let at = ambiguous.earlier().map_err(|_| WhenError::Form)?;
    if at <= now {
        return Err(WhenError::Past);
    }
    if at.duration_since(now) > MAX_AHEAD {
        return Err(WhenError::TooFar);
    }
    Ok(at)
}

/// A moment as a local time.
pub fn write(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime(FORM).to_string()
}

/// How far the zone's clock is ahead of UTC at a moment: `+03:00`.
pub fn utc_offset(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-03-01T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_local_time_is_the_moment_its_zones_clock_shows_it() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let at = read("2026-05-09 23:00:00", &berlin, now()).unwrap();
        assert_eq!(at.to_string(), "2026-05-09T21:00:00Z");
        assert_eq!(write(at, &berlin), "2026-05-09 23:00:00");
        assert_eq!(utc_offset(at, &berlin), "+02:00");
        assert_eq!(utc_offset(now(), &TimeZone::UTC), "+00:00");
        let kolkata = TimeZone::get("Asia/Kolkata").unwrap();
        assert_eq!(utc_offset(at, &kolkata), "+05:30");
    }

    #[test]
    fn what_no_clock_shows_or_has_shown_is_refused() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let refused = |text| read(text, &berlin, now()).unwrap_err();
        assert_eq!(refused("2026-03-29 02:30:00"), WhenError::Impossible);
        // Shown twice: the first.
        let twice = read("2026-10-25 02:30:00", &berlin, now()).unwrap();
        assert_eq!(twice.to_string(), "2026-10-25T00:30:00Z");
        for text in [
            "2026-02-30 10:00:00",
            "2026-13-01 10:00:00",
            "2026-05-09T23:00:00",
            "2026-05-09 24:00:00",
            "2026-05-09 23:00",
            "2026-05-09 23:00:61",
            "2026-05-09 23:00:60",
            " 2026-5-09 23:00:00",
            "tomorrow at nine o'",
            "",
        ] {
            assert_eq!(refused(text), WhenError::Form, "{text:?}");
        }
        assert_eq!(refused("2026-02-28 23:00:00"), WhenError::Past);
        assert_eq!(refused("2026-03-01 01:00:00"), WhenError::Past, "now is over");
        assert_eq!(refused("2062-05-09 23:00:00"), WhenError::TooFar);
    }
}
