//! Request bodies: one JSON object, read strictly.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::error::{ApiError, printable};
use super::idempotency;

/// Largest body, in bytes, unless an endpoint sets its own limit.
pub(super) const MAX_BYTES: usize = 256 * 1024;
/// Maximum nesting of arrays and objects; no endpoint needs more than two levels.
const MAX_DEPTH: usize = 16;

/// The body of a request without one: an empty object.
pub(super) fn nothing<T: DeserializeOwned>() -> Result<T, ApiError> {
    serde_json::from_str("{}").map_err(|error| ApiError::fault(&error))
}

/// Reads a body; an empty one is an empty object.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8], ignore_unknown: bool) -> Result<T, ApiError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| ApiError::bad_request(format!("the body is not UTF-8: {error}")))?;
    let text = if text.trim().is_empty() { "{}" } else { text };
    check_depth(text)?;
    let names: FieldsSeen = serde_json::from_str(text).map_err(|error| not_an_object(&error))?;
    if let Some(name) = names.0.iter().find(|name| idempotency::is_header(name)) {
        return Err(idempotency::misplaced(name, "body"));
    }
    let known = field_names::<T>();
    if !ignore_unknown && let Some(unknown) = names.0.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(ApiError::unknown("unknown_field", unknown));
    }
    let deserializer = &mut serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let path = error.path().to_string();
        let reason = wanted(&error.inner().to_string());
        // Line and column do not help: programs build the bodies.
        let reason = reason.split(" at line ").next().unwrap_or(&reason).to_owned();
        match missing(&reason) {
            Some(field) => ApiError::bad_field(field, "it is missing"),
            None if path == "." => ApiError::bad_request(reason),
            None => ApiError::bad_field(&path, reason),
        }
    })
}

/// The expected value without the one received, which may be a password in the wrong place.
fn wanted(reason: &str) -> String {
    match reason.rsplit_once(", expected ") {
        // Type names are internal.
        Some((_, expected)) => match expected.split(' ').next() {
            Some("i64" | "u64" | "i32" | "u32" | "u16" | "usize") => "expected a whole number".to_owned(),
            _ => format!("expected {expected}"),
        },
        None => reason.to_owned(),
    }
}

fn missing(reason: &str) -> Option<&str> {
    reason.strip_prefix("missing field `")?.strip_suffix('`')
}

fn not_an_object(error: &serde_json::Error) -> ApiError {
    let text = error.to_string();
    match text.strip_prefix(TWICE) {
        Some(rest) => {
            let field = rest.split(" at line ").next().unwrap_or(rest).to_owned();
            ApiError::bad_field(&printable(&field), "it is given twice")
        }
        None => ApiError::bad_request(format!("the body must be one JSON object: {}", wanted(&text))),
    }
}

/// Nesting is counted before anything is parsed, strings left out.
fn check_depth(text: &str) -> Result<(), ApiError> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(ApiError::bad_request(format!(
                        "the body nests deeper than {MAX_DEPTH} levels"
                    )));
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Start of the error text for a repeated name.
const TWICE: &str = "given twice: ";

/// The names of an object's fields.
struct FieldsSeen(BTreeSet<String>);

impl<'de> serde::Deserialize<'de> for FieldsSeen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = FieldsSeen;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FieldsSeen, A::Error> {
                let mut names = BTreeSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    if names.contains(&name) {
                        return Err(A::Error::custom(format!("{TWICE}{name}")));
                    }
                    names.insert(name);
                    map.next_value::<IgnoredAny>()?;
                }
                Ok(FieldsSeen(names))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

/// The names of the fields that a type reads.
pub(crate) fn field_names<T: DeserializeOwned>() -> &'static [&'static str] {
    struct Ask<'a>(&'a mut &'static [&'static str]);
    impl<'de> Deserializer<'de> for Ask<'_> {
        type Error = serde::de::value::Error;

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Self::Error> {
            *self.0 = fields;
            Err(Self::Error::custom("only the names were asked for"))
        }

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            Err(Self::Error::custom("a struct is asked for"))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }
    let mut names: &'static [&'static str] = &[];
    // The error is how it ends.
    let _ = T::deserialize(Ask(&mut names));
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::amount::Amount;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    struct Transfer {
        login: String,
        amount: Amount,
        #[serde(default)]
        note: Option<String>,
    }

    fn fault(text: &str) -> (Option<String>, String) {
        let error = read::<Transfer>(text.as_bytes(), false).unwrap_err();
        assert_eq!(error.status, 400);
        (error.field, error.message)
    }

    #[test]
    fn an_invalid_body_is_refused_by_field_without_repeating_its_value() {
        let field = |text| fault(text).0.unwrap_or_default();
        assert_eq!(field(r#"{"login":"a"}"#), "amount");
        assert_eq!(field(r#"{"login":7,"amount":1}"#), "login");
        assert_eq!(field(r#"{"login":"a","amount":"x"}"#), "amount");
        assert_eq!(field(r#"{"login":"a","amount":1,"amuont":2}"#), "amuont");
        assert_eq!(field(r#"{"login":"a","login":"b","amount":1}"#), "login");
        for whole in
            ["[]", "7", "{", r#"{"login":"a","amount":1} x"#, r#"{"login":"a","amount":1}{}"#, "null"]
        {
            assert_eq!(fault(whole).0, None, "{whole}");
        }
        assert!(fault(&format!("{}{}", "[".repeat(100), "]".repeat(100))).1.contains("nests deeper"));
        for secret in [
            r#""Secret, expected at line 1""#,
            r#"{"login":["Secret"],"amount":1}"#,
            r#"{"login":{"Secret":1}}"#,
        ] {
            assert!(!fault(secret).1.contains("Secret"), "{secret}");
        }
        assert!(read::<Transfer>(b"\xff", false).unwrap_err().message.contains("UTF-8"));
    }

    #[test]
    fn a_valid_body_is_read_and_unknown_fields_can_be_ignored() {
        let body = br#"{"login":"a","amount":1.5,"extra":[1,{"deep":true}]}"#;
        let transfer: Transfer = read(body, true).unwrap();
        assert_eq!((transfer.login.as_str(), transfer.amount.0.to_string().as_str()), ("a", "1.5"));
        assert_eq!(transfer.note, None);
        assert_eq!(field_names::<Transfer>(), ["login", "amount", "note"]);
    }
}
