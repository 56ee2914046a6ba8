//! Values on the wire: numbers and booleans that are sometimes text, times without a colon in their offset. Numbers are whole
//! and are parsed from their digits.

use jiff::Timestamp;
use jiff::fmt::strtime;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A whole number, written as a number or as text. Exact: no float is between the digits and the value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Whole(pub i64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get().trim_matches('"');
        // `5368709120.0` is how some languages write a whole number.
        let digits = match text.split_once('.') {
            Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|digit| digit == b'0') => whole,
            _ => text,
        };
        let plain = digits.strip_prefix('-').unwrap_or(digits);
        if plain.is_empty() || !plain.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(D::Error::custom(format!("{text:.40} is no whole number")));
        }
        digits.parse().map(Self).map_err(|_| D::Error::custom(format!("{text:.40} is too large")))
    }
}

/// `true`, `"true"`; anything else is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Truth(pub bool);

impl<'de> Deserialize<'de> for Truth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self(matches!(raw.get(), "true" | "\"true\"")))
    }
}

/// A code: text, or a number, which loses the zeros at its beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Code(pub String);

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        let text: String = if text.starts_with('"') {
            serde_json::from_str(text).map_err(D::Error::custom)?
        } else {
            text.to_owned()
        };
        Ok(Self(text.chars().filter(|c| !c.is_control()).take(64).collect()))
    }
}

/// Parses a time: `2024-05-29T18:34:17+0000`, or RFC 3339.
pub(crate) fn time(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    strtime::parse("%Y-%m-%dT%H:%M:%S%z", text).ok()?.to_timestamp().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_read_from_their_digits() {
        let read = |text: &str| serde_json::from_str::<Whole>(text).map(|whole| whole.0).ok();
        assert_eq!(read("5368709120"), Some(5_368_709_120));
        assert_eq!(read("\"5368709120\""), Some(5_368_709_120));
        // A float would have made …992 of it.
        assert_eq!(read("9007199254740993"), Some(9_007_199_254_740_993));
        assert_eq!(read("6200.0"), Some(6_200));
        for bad in ["6200.5", "1e3", "\"\"", "null", "true", "99999999999999999999", "{}", "\"1 000\"", "-"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn truth_and_codes_come_in_two_forms() {
        let truth = |text: &str| serde_json::from_str::<Truth>(text).unwrap().0;
        assert!(truth("true") && truth("\"true\""));
        assert!(!truth("false") && !truth("\"false\"") && !truth("null") && !truth("1"));
        let code = |text: &str| serde_json::from_str::<Code>(text).unwrap().0;
        assert_eq!((code("\"000103\""), code("200010")), ("000103".to_owned(), "200010".to_owned()));
    }

    #[test]
    fn times_are_read_with_and_without_a_colon() {
        let expected: Timestamp = "2024-05-29T18:34:17Z".parse().unwrap();
        for text in ["2024-05-29T18:34:17+0000", "2024-05-29T18:34:17Z", "2024-05-29T20:34:17+0200"] {
            assert_eq!(time(text), Some(expected), "{text}");
        }
        assert_eq!(time("soon"), None);
    }
}
