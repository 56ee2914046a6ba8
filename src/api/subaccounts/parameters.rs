//! The parameters of a request, in the URL, a form or JSON.

use std::collections::HashMap;

use serde_json::value::RawValue;

use crate::api::idempotency;

/// The body is invalid JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotRead;

/// The parameters of all actions; clients send them along with any action.
const KNOWN: [&str; 8] = ["action", "amount", "company", "email", "id", "name", "p", "threshold"];

/// Parameters by name, as text.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Parameters {
    values: HashMap<String, String>,
    /// The first parameter in the URL that no action has.
    unknown: Option<String>,
    /// An `Idempotency-Key` outside of the header.
    misplaced: Option<String>,
}

/// Without the values, which may hold a key.
impl std::fmt::Debug for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parameters").field("count", &self.values.len()).finish_non_exhaustive()
    }
}

impl Parameters {
    /// Reads query and body. The body overrides the query, and the last of repeated parameters counts.
    ///
    /// The first character of the body decides its format, not `Content-Type`: `curl -d '{…}'` sends JSON as a form.
    pub(crate) fn read(query: &str, body: &[u8]) -> Result<Self, NotRead> {
        let in_query: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let unknown = in_query.iter().find(|(name, _)| !KNOWN.contains(&name.as_str()));
        let unknown = unknown.map(|(name, _)| name.clone());
        let mut parameters: HashMap<String, String> = in_query.into_iter().collect();
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii();
        match body.first() {
            None => {}
            Some(b'{') => {
                // Values as they are written: a number is never a float on its way.
                let fields: HashMap<String, Box<RawValue>> =
                    serde_json::from_slice(body).map_err(|_| NotRead)?;
                for (name, value) in fields {
                    if let Some(text) = text_of(value.get())? {
                        parameters.insert(name, text);
                    }
                }
            }
            Some(b'[' | b'"') => return Err(NotRead),
            Some(_) => parameters.extend(form_urlencoded::parse(body).into_owned()),
        }
        let misplaced = parameters.keys().find(|name| idempotency::is_header(name)).cloned();
        Ok(Self { values: parameters, unknown, misplaced })
    }

    /// The first parameter in the URL that no action has.
    pub(super) fn unknown(&self) -> Option<&str> {
        self.unknown.as_deref()
    }

    /// The name of an `Idempotency-Key` that is not in the header, where it would have no effect.
    pub(super) fn misplaced_key(&self) -> Option<&str> {
        self.misplaced.as_deref()
    }

    /// A parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }
}

/// A JSON value as text; none for null. Objects and lists stay as written: no parameter is one, and unknown ones are
/// ignored.
fn text_of(raw: &str) -> Result<Option<String>, NotRead> {
    match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw).map(Some).map_err(|_| NotRead),
        Some(b'n') => Ok(None),
        _ => Ok(Some(raw.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str, body: &str) -> Parameters {
        Parameters::read(query, body.as_bytes()).unwrap()
    }

    #[test]
    fn the_format_of_a_body_follows_its_first_character() {
        for body in [
            r#"{"id":123456789,"amount":12.00}"#,
            " \n{ \"id\": \"123456789\", \"amount\": \"12.00\" }",
            "\u{feff}{\"id\":1,\"id\":123456789,\"amount\":12.00,\"x\":[1,{\"y\":null}],\"z\":true}",
            "id=123456789&amount=12.00",
            "id=1&amount=12.00&id=123456789",
        ] {
            let parameters = read("action=transfer_credits&amount=1", body);
            assert_eq!(parameters.get("id"), Some("123456789"), "{body}");
            assert_eq!(parameters.get("amount"), Some("12.00"), "{body}");
            assert_eq!(parameters.get("action"), Some("transfer_credits"), "{body}");
        }
        assert_eq!(read("id=5", r#"{"id":null}"#).get("id"), Some("5"));
        assert_eq!(read("", "name=J%C3%B6rg+D").get("name"), Some("Jörg D"));
        assert_eq!(
            read("", r#"{"amount":0.1234567890123456789}"#).get("amount"),
            Some("0.1234567890123456789")
        );
    }

    #[test]
    fn unknown_names_count_in_the_url_and_a_misplaced_key_everywhere() {
        let parameters = read("action=read&ammount=1", r#"{"other":1}"#);
        assert_eq!((parameters.unknown(), parameters.misplaced_key()), (Some("ammount"), None));
        assert_eq!(read("action=read&p=KEY", r#"{"other":1}"#).unknown(), None);
        for (query, body) in [("Idempotency-Key=a", ""), ("", r#"{"idempotency_key":"a"}"#)] {
            assert!(read(query, body).misplaced_key().is_some(), "{query}{body}");
        }
    }

    #[test]
    fn a_json_body_that_is_not_an_object_is_refused() {
        for body in ["[]", "{", r#"{"id":1} x"#, "\"id=1\"", "{'id':1}", "{\"a\":\u{1}}"] {
            assert_eq!(Parameters::read("", body.as_bytes()), Err(NotRead), "{body}");
        }
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
        // A value that does not matter is passed over, without a stack that grows with it.
        assert!(Parameters::read("", deep.as_bytes()).is_ok());
        assert!(Parameters::read("", b"\xff=\xfe").is_ok());
    }
}
