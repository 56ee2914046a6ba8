//! The headers in which the gateway's clients send their key.

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::accounts::keys;

/// True where a text can be a key; a longer one is not digested.
pub(super) fn is_one(text: &str) -> bool {
    (1..=keys::MAX_KEY_CHARS).contains(&text.len())
}

/// The candidates for the key in the headers: `X-Api-Key: KEY`, else `Authorization: Bearer KEY` or `Basic KEY`, with the
/// key itself or the usual base64 of `KEY:` or `:KEY`. An error where a header is repeated or cannot be a key.
pub(super) fn shown(headers: &HeaderMap) -> Result<Vec<String>, ()> {
    let one = |name: &str| {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => value.to_str().map(|text| Some(text.trim())).map_err(|_| ()),
            (Some(_), Some(_)) => Err(()),
        }
    };
    if let Some(key) = one("x-api-key")?.filter(|key| !key.is_empty()) {
        return if is_one(key) { Ok(vec![key.to_owned()]) } else { Err(()) };
    }
    let Some(authorization) = one(header::AUTHORIZATION.as_str())?.filter(|text| !text.is_empty()) else {
        return Ok(Vec::new());
    };
    let (scheme, rest) = authorization.split_once(' ').unwrap_or((authorization, ""));
    let credentials = rest.trim();
    let mut keys = Vec::new();
    if scheme.eq_ignore_ascii_case("bearer") {
        keys.push(credentials.to_owned());
    } else if scheme.eq_ignore_ascii_case("basic") {
        keys.push(credentials.to_owned());
        let decoded = Some(credentials)
            .filter(|text| text.len() <= 2 * keys::MAX_KEY_CHARS)
            .and_then(|text| STANDARD.decode(text).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some((name, word)) = decoded.as_deref().and_then(|pair| pair.split_once(':')) {
            keys.extend([name.to_owned(), word.to_owned()]);
        }
    }
    keys.retain(|key| is_one(key));
    if keys.is_empty() { Err(()) } else { Ok(keys) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&'static str, &str)]) -> Result<Vec<String>, ()> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        shown(&headers)
    }

    #[test]
    fn the_key_is_read_from_every_header_that_clients_use() {
        let keys = |pairs: &[(&'static str, &str)]| of(pairs).unwrap();
        assert_eq!(keys(&[("x-api-key", "KEY")]), ["KEY"]);
        assert_eq!(keys(&[("authorization", "Bearer KEY")]), ["KEY"]);
        assert_eq!(keys(&[("authorization", "basic KEY")])[0], "KEY");
        assert!(keys(&[("authorization", "Basic S0VZOg==")]).contains(&"KEY".to_owned()));
        assert!(keys(&[("authorization", "Basic OktFWQ==")]).contains(&"KEY".to_owned()));
        assert_eq!(keys(&[("x-api-key", "KEY"), ("authorization", "Bearer OTHER")]), ["KEY"]);
        assert!(keys(&[]).is_empty() && keys(&[("x-api-key", "")]).is_empty());
    }

    #[test]
    fn invalid_key_headers_are_refused() {
        let long = "k".repeat(129);
        for pairs in [
            [("x-api-key", "A"), ("x-api-key", "A")],
            [("authorization", "Digest x"), ("accept", "*/*")],
            [("authorization", "Bearer"), ("accept", "*/*")],
            [("x-api-key", long.as_str()), ("accept", "*/*")],
        ] {
            assert!(of(&pairs).is_err(), "{pairs:?}");
        }
    }
}
