//! A request's parameters, wherever its client puts them.

use std::collections::HashMap;

use serde_json::value::RawValue;

/// The body is JSON and cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotRead;

/// Parameters by name, as text.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Parameters(HashMap<String, String>);

/// They may hold a key.
impl std::fmt::Debug for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parameters").field("count", &self.0.len()).finish_non_exhaustive()
    }
}

impl Parameters {
    /// From the query and the body. The body's word is the last, and of one that is given twice in a place the latter.
    ///
    /// What the body is its first character says, not its `Content-Type`: `curl -d '{…}'` sends JSON as a form.
    pub(crate) fn read(query: &str, body: &[u8]) -> Result<Self, NotRead> {
        let mut parameters: HashMap<String, String> =
            form_urlencoded::parse(query.as_bytes()).into_owned().collect();
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
        Ok(Self(parameters))
    }

    /// A parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// A JSON value as text; nothing for null. What is neither text nor a number stays as it is written: no parameter is like
/// that, and its name may be one that does not matter.
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
    fn the_body_is_what_it_looks_like() {
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
    fn what_is_no_object_is_not_read() {
        for body in ["[]", "{", r#"{"id":1} x"#, "\"id=1\"", "{'id':1}", "{\"a\":\u{1}}"] {
            assert_eq!(Parameters::read("", body.as_bytes()), Err(NotRead), "{body}");
        }
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
        // A value that does not matter is passed over, without a stack that grows with it.
        assert!(Parameters::read("", deep.as_bytes()).is_ok());
        assert!(Parameters::read("", b"\xff=\xfe").is_ok());
    }
}
