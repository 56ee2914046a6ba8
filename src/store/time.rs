//! Times in the form of the tables: microseconds since the Unix epoch, UTC.

use jiff::Timestamp;

/// Converts a time to microseconds since the Unix epoch.
pub fn to_micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// Converts microseconds since the Unix epoch to a time; a value out of range becomes the nearest time in range.
pub fn from_micros(micros: i64) -> Timestamp {
    let nearest = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(micros).unwrap_or(nearest)
}
