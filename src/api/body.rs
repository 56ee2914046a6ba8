//! Request bodies: one JSON object, read strictly.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::error::ApiError;

/// The largest body that is read where an endpoint says nothing else.
pub(super) const MAX_BYTES: usize = 256 * 1024;
/// How deep arrays and objects may nest; no endpoint needs more than two.
const MAX_DEPTH: usize = 16;

/// What a request without a body says.
pub(super) fn nothing<T: DeserializeOwned>() -> Result<T, ApiError> {
    serde_json::from_str("{}").map_err(|error| ApiError::fault(&error))
}

/// Reads a body: nothing at all is an empty object.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8], ignore_unknown: bool) -> Result<T, ApiError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| ApiError::bad_request(format!("the body is not UTF-8: {error}")))?;
    let text = if text.trim().is_empty() { "{}" } else { text };
    check_depth(text)?;
    let names: FieldsSeen = serde_json::from_str(text).map_err(|error| not_an_object(&error))?;
    let known = field_names::<T>();
    if !ignore_unknown && let Some(unknown) = names.0.iter().find(|name| !known.contains(&name.as_str())) {
        let reason = "this endpoint has no such field";
        return Err(ApiError { code: "unknown_field", ..ApiError::bad_field(&shortened(unknown), reason) });
    }
    let deserializer = &mut serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let path = error.path().to_string();
        let reason = wanted(&error.inner().to_string());
        // The place in the text helps nobody who has built the body by a program.
        let reason = reason.split(" at line ").next().unwrap_or(&reason).to_owned();
        match missing(&reason) {
            Some(field) => ApiError::bad_field(field, "it is missing"),
            None if path == "." => ApiError::bad_request(reason),
            None => ApiError::bad_field(&path, reason),
        }
    })
}

/// What was expected, without what came: a password may have been sent where something else belongs.
fn wanted(reason: &str) -> String {
    match reason.rsplit_once(", expected ") {
        // The names of types are ours, not theirs.
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
            ApiError::bad_field(&shortened(&field), "it is given twice")
        }
        None => ApiError::bad_request(format!("the body must be one JSON object: {}", wanted(&text))),
    }
}

/// A name that somebody else chose, short enough to be repeated to him.
fn shortened(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
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

/// The beginning of the error by which a repeated name is told.
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
    fn what_is_wrong_is_named() {
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
    fn a_good_body_is_read_and_unknown_fields_can_be_let_pass() {
        let body = br#"{"login":"a","amount":1.5,"extra":[1,{"deep":true}]}"#;
        let transfer: Transfer = read(body, true).unwrap();
        assert_eq!((transfer.login.as_str(), transfer.amount.0.to_string().as_str()), ("a", "1.5"));
        assert_eq!(transfer.note, None);
        assert_eq!(field_names::<Transfer>(), ["login", "amount", "note"]);
    }
}
