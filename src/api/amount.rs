//! Amounts in requests and answers: exact decimals, never floats.

use std::borrow::Cow;
use std::str::FromStr as _;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use tollgate_rating::Money;
use tollgate_rating::plan::Markup;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// An amount as text with at least four decimals: `"1.0000"`; more where the amount has more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct D4(pub Money);

/// An amount as a JSON number, exact: `1`, `49.65`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Num(pub Money);

/// A percentage as a JSON number, exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent(pub Markup);

/// An amount in a request: a JSON number or text of digits with at most one point and nine decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount(pub Money);

/// A percentage in a request: a JSON number or text, at most four decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PercentIn(pub Markup);

impl std::fmt::Display for D4 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.0.to_string();
        let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let point = if decimals == 0 { "." } else { "" };
        let zeros = 4_usize.saturating_sub(decimals);
        write!(f, "{text}{point}{:0<zeros$}", "")
    }
}

impl Serialize for D4 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Decimal text as a JSON number, digit by digit.
fn as_number<S: Serializer>(text: String, serializer: S) -> Result<S::Ok, S::Error> {
    let raw = RawValue::from_string(text).map_err(serde::ser::Error::custom)?;
    raw.serialize(serializer)
}

impl Serialize for Num {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        as_number(self.0.to_string(), serializer)
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        as_number(self.0.to_string(), serializer)
    }
}

/// The text of a JSON number or string.
fn decimal_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str(text).map_err(D::Error::custom),
        Some(b'0'..=b'9' | b'-') => Ok(text.to_owned()),
        _ => Err(D::Error::custom("a decimal number is needed, as a number or as text")),
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = decimal_text(deserializer)?;
        Money::parse(&text).map(Self).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for PercentIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = decimal_text(deserializer)?;
        Markup::from_str(&text).map(Self).map_err(D::Error::custom)
    }
}

/// The OpenAPI schema of an amount type.
macro_rules! schema {
    ($name:ident, $type:expr, $description:literal, $example:expr) => {
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type($type)
                    .description(Some($description))
                    .examples([serde_json::json!($example)])
                    .into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }
    };
}

schema!(D4, Type::String, "Amount as decimal text with at least four decimals.", "1.0000");
schema!(Num, Type::Number, "Amount as an exact number.", 1.5);
schema!(Percent, Type::Number, "Percent, at most four decimals.", 20);
// One type each, although the server reads both: generated clients cannot send a value of two types.
schema!(
    Amount,
    Type::String,
    "Decimal amount as text, digits with at most one point and nine decimals; a JSON number is accepted too.",
    "12.00"
);
schema!(PercentIn, Type::Number, "Percent, at most four decimals, never negative; text is accepted too.", 50);

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        Money::parse(text).unwrap()
    }

    #[test]
    fn amounts_as_text_have_at_least_four_decimals() {
        for (amount, text) in [
            ("1", "1.0000"),
            ("0", "0.0000"),
            ("49.65", "49.6500"),
            ("-0.5", "-0.5000"),
            ("0.123456789", "0.123456789"),
        ] {
            assert_eq!(serde_json::to_string(&D4(money(amount))).unwrap(), format!("\"{text}\""));
        }
    }

    #[test]
    fn amounts_as_numbers_are_exact() {
        for amount in ["1", "49.65", "0.1", "9007199254.740993", "-3"] {
            assert_eq!(serde_json::to_string(&Num(money(amount))).unwrap(), amount);
        }
    }

    #[test]
    fn amounts_are_parsed_exactly_and_other_json_is_refused() {
        let read = |text: &str| serde_json::from_str::<Amount>(text).map(|amount| amount.0.to_string());
        assert_eq!(read("12.00").unwrap(), "12");
        assert_eq!(read("\"20.00\"").unwrap(), "20");
        assert_eq!(read("9007199254.740993").unwrap(), "9007199254.740993");
        for bad in
            ["1e3", "\"1_000\"", "true", "null", "[1]", "{}", "\"\"", "0.0000000001", "1E400", "\"NaN\""]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
