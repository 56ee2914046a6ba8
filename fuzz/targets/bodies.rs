//! JSON bodies of the HTTP APIs: what is accepted is one strict object, and no refusal repeats a value that was sent.
#![no_main]

use std::sync::LazyLock;

use serde_json::{Map, Value};
use tollgate::api::error::ApiError;
use tollgate::fuzzing;

static ENDPOINTS: LazyLock<Vec<(&str, bool)>> = LazyLock::new(fuzzing::endpoints);
/// A value that no message may show.
const SECRET: &str = "hunter2";

/// Whether a name in it, at any depth, holds the secret: names are repeated.
fn names_secret(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains(SECRET) || names_secret(value)),
        Value::Array(values) => values.iter().any(names_secret),
        _ => false,
    }
}

fn check_refusal(error: &ApiError, body: &[u8]) {
    assert_eq!(error.status, 400);
    assert!(!error.message.is_empty());
    assert!(error.message.len() <= 1_024, "{} bytes of message", error.message.len());
    assert!(!error.message.chars().any(char::is_control), "{:?}", error.message);
    if serde_json::from_slice(body).is_ok_and(|value| !names_secret(&value)) {
        assert!(!error.message.contains(SECRET), "{:?}", error.message);
    }
}

tollgate_fuzz::target!(|data: &[u8]| {
    let Some((which, body)) = data.split_first() else { return };
    match usize::from(*which).checked_sub(1).and_then(|at| Some((at, ENDPOINTS.get(at)?))) {
        Some((at, (_, true))) => {
            if let Some(Err(error)) = fuzzing::read_endpoint(at, body, "") {
                check_refusal(&error, body);
            }
            return;
        }
        Some((at, (_, false))) => {
            let Ok(query) = std::str::from_utf8(body) else { return };
            if let Some(Err(error)) = fuzzing::read_endpoint(at, b"", query) {
                assert_eq!(error.status, 400);
                assert!(!error.message.is_empty());
            }
            return;
        }
        None => {}
    }
    for ignore_unknown in [false, true] {
        match fuzzing::json_body(body, ignore_unknown) {
            Err(error) => check_refusal(&error, body),
            Ok(read) => {
                let object: Map<String, Value> = serde_json::from_slice(body).unwrap();
                let known = |name: &String| fuzzing::json_body_names().contains(&name.as_str());
                assert!(ignore_unknown || object.keys().all(known));
                assert_eq!(object["login"].as_str(), Some(read.login.as_str()));
                assert!(object["amount"].is_number() || object["amount"].is_string());
                if let Some(list) = &read.recipients {
                    assert!(list.iter().map(String::len).sum::<usize>() <= body.len());
                }
            }
        }
    }
});
