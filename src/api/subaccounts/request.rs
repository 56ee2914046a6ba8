//! What was asked, wherever it stands: path, query, form, JSON; and whose key was shown.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use tollgate_rating::Money;

/// The keys that a request may mean: what is shown by Basic is either the key itself or `key:` in base64.
#[derive(Clone)]
pub(super) struct Credentials(Vec<String>);

/// Keys stay out of logs.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({} readings)", self.0.len())
    }
}

impl Credentials {
    /// What the headers show: `X-Api-Key`, else `Authorization`.
    pub(super) fn of_headers(headers: &HeaderMap) -> Option<Self> {
        if let Some(key) = headers.get("x-api-key") {
            return Some(Self(vec![key.to_str().ok()?.trim().to_owned()]));
        }
        let shown = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, rest) = shown.split_once(' ')?;
        let rest = rest.trim().to_owned();
        if scheme.eq_ignore_ascii_case("bearer") {
            Some(Self(vec![rest]))
        } else if scheme.eq_ignore_ascii_case("basic") {
            let decoded = STANDARD.decode(&rest).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let named =
                decoded.and_then(|text| text.split(':').find(|part| !part.is_empty()).map(str::to_owned));
            Some(Self([Some(rest), named].into_iter().flatten().collect()))
        } else {
            None
        }
    }

    /// What stands among the parameters.
    pub(super) fn of_parameter(key: &str) -> Self {
        Self(vec![key.to_owned()])
    }

    /// The keys it may mean.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// An action with its parameters.
#[derive(Debug)]
pub(super) struct Asked {
    action: String,
    parameters: BTreeMap<String, String>,
}

impl Asked {
    /// Reads them: what the body says goes before what the URL says, the action in the path before both. `None` where the
    /// body begins as JSON and is none.
    pub(super) fn read(action: Option<String>, query: Option<&str>, body: &[u8]) -> Option<Self> {
        let query = query.unwrap_or_default().as_bytes();
        let mut parameters: BTreeMap<String, String> = form_urlencoded::parse(query).into_owned().collect();
        let text = std::str::from_utf8(body).ok()?;
        // Programs say that JSON is a form and the other way round: what it is shows in how it begins.
        if text.trim_start().starts_with(['{', '[']) {
            let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).ok()?;
            for (name, value) in members {
                match scalar(value.get()) {
                    Some(text) => parameters.insert(name, text),
                    None => parameters.remove(&name),
                };
            }
        } else {
            parameters.extend(form_urlencoded::parse(body).into_owned());
        }
        let action = action.or_else(|| parameters.get("action").cloned()).unwrap_or_default();
        Some(Self { action, parameters })
    }

    /// What is to be done.
    pub(super) fn action(&self) -> &str {
        &self.action
    }

    /// A parameter.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// The subaccount that is meant; a script's `undefined` is nothing.
    pub(super) fn id(&self) -> Option<&str> {
        self.get("id").map(str::trim).filter(|id| !matches!(*id, "" | "undefined" | "null"))
    }

    /// An amount, zero or more.
    pub(super) fn amount(&self, name: &str) -> Option<Money> {
        let text = self.get(name)?.trim();
        Money::parse(text).ok().filter(|amount| !amount.is_negative())
    }
}

/// A JSON value as the text of a parameter: text is itself, a number its digits, null nothing.
fn scalar(raw: &str) -> Option<String> {
    match raw.as_bytes().first() {
        Some(b'"') => serde_json::from_str(raw).ok(),
        Some(b'n') => None,
        _ => Some(raw.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(action: Option<&str>, query: &str, body: &str) -> Asked {
        Asked::read(action.map(str::to_owned), Some(query), body.as_bytes()).unwrap()
    }

    #[test]
    fn a_transfer_reads_the_same_however_it_is_sent() {
        let money = Money::parse("12.00").unwrap();
        for (action, query, body) in [
            (None, "action=transfer_credits", r#"{ "id": "123456789", "amount": 12.00 }"#),
            (None, "action=transfer_credits", r#"{"id":123456789,"amount":"12"}"#),
            (Some("transfer_credits"), "", r#"{"id":123456789,"amount":12}"#),
            (None, "", "action=transfer_credits&id=123456789&amount=12.00"),
            (None, "action=transfer_credits&id=123456789&amount=12.0&p=KEY", ""),
            (None, "action=transfer_credits&id=7&amount=99", "id=123456789&amount=12"),
        ] {
            let asked = asked(action, query, body);
            assert_eq!(asked.action(), "transfer_credits", "{query} {body}");
            assert_eq!(
                (asked.id(), asked.amount("amount")),
                (Some("123456789"), Some(money)),
                "{query} {body}"
            );
        }
    }

    #[test]
    fn what_is_nothing_is_nothing() {
        assert_eq!(asked(Some("read"), "id=undefined", "").id(), None);
        assert_eq!(asked(None, "action=read", r#"{"id":null}"#).id(), None);
        assert_eq!(asked(None, "action=update&amount=-1&threshold=1e3", "").amount("amount"), None);
        assert_eq!(asked(None, "threshold=1e3", "").amount("threshold"), None);
        assert!(Asked::read(None, None, b"{\"id\":").is_none());
        assert!(Asked::read(None, None, b"[1]").is_none());
        assert!(Asked::read(None, None, b"\xff").is_none());
    }

    #[test]
    fn a_key_is_read_from_each_header() {
        let keys = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            let shown = Credentials::of_headers(&headers);
            shown.map(|shown| shown.keys().map(str::to_owned).collect::<Vec<_>>()).unwrap_or_default()
        };
        assert_eq!(keys("x-api-key", "KEY"), ["KEY"]);
        assert_eq!(keys("authorization", "Bearer KEY"), ["KEY"]);
        assert_eq!(keys("authorization", "basic S0VZOg=="), ["S0VZOg==", "KEY"]);
        assert_eq!(keys("authorization", "Basic raw-key"), ["raw-key"]);
        assert!(keys("authorization", "Digest x").is_empty());
    }
}
