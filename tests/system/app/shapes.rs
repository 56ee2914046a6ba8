//! What an answer must look like: its keys and the types of their values.
//!
//! A shape is JSON: an object whose members must be there (others may), an array whose one element each row must be
//! like, or a word: `text`, `d4` (decimal text of four decimals at least), `num`, `int`, `bool`, `flag` (0 or 1), `time`
//! (RFC 3339, UTC, seconds), `any`; with `?` it may be null; `=x` is the value x and `a|b` is one of several texts.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value};

/// The shape of an answer that a document shows.
pub(crate) fn of_example(example: &Value) -> Value {
    match example {
        // What it is when there is something, another row tells, or nobody.
        Value::Null => "null?".into(),
        Value::Bool(_) => "bool".into(),
        Value::Number(_) => "num".into(),
        Value::String(text) if is_d4(text) => "d4".into(),
        Value::String(_) => "text".into(),
        Value::Array(rows) => {
            let merged = rows.iter().map(of_example).reduce(|a, b| either(&a, &b)).expect("an example row");
            Value::Array(vec![merged])
        }
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), of_example(value))).collect())
        }
    }
}

/// What is like one row or like another.
fn either(a: &Value, b: &Value) -> Value {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let members: Map<String, Value> =
                a.iter().map(|(name, value)| (name.clone(), either(value, &b[name]))).collect();
            Value::Object(members)
        }
        (a, b) if a == b => a.clone(),
        (Value::String(a), Value::String(b)) => {
            let null = if a.ends_with('?') || b.ends_with('?') { "?" } else { "" };
            let (a, b) = (a.trim_end_matches('?'), b.trim_end_matches('?'));
            if let Some(known) =
                [(a, b), (b, a)].iter().find(|(one, _)| *one == "null").map(|(_, other)| *other)
            {
                return format!("{known}?").into();
            }
            assert!(
                a == b || [a, b] == ["text", "d4"] || [a, b] == ["d4", "text"],
                "rows are alike: {a}, {b}"
            );
            format!("{}{null}", if a == b { a } else { "text" }).into()
        }
        _ => panic!("rows are alike: {a}, {b}"),
    }
}

/// What of an answer is not as its shape says; a part of the shape that nothing was compared with is a fault too.
pub(crate) fn faults(shape: &Value, answer: &Value) -> Vec<String> {
    let mut check = Check::default();
    check.compare(shape, answer, "");
    let mut parts = BTreeSet::new();
    every_part(shape, "", &mut parts);
    check.faults.extend(parts.difference(&check.seen).map(|part| format!("{part}: nothing of it is there")));
    check.faults
}

fn every_part(shape: &Value, path: &str, parts: &mut BTreeSet<String>) {
    parts.insert(path.to_owned());
    match shape {
        // An empty list is all that is known of a list of anything.
        Value::Array(one) if one[0] != "any" => every_part(&one[0], &format!("{path}/*"), parts),
        Value::Object(members) => {
            for (name, member) in members {
                every_part(member, &format!("{path}/{name}"), parts);
            }
        }
        _ => {}
    }
}

#[derive(Default)]
struct Check {
    faults: Vec<String>,
    seen: BTreeSet<String>,
}

impl Check {
    fn compare(&mut self, shape: &Value, got: &Value, path: &str) {
        self.seen.insert(path.to_owned());
        match (shape, got) {
            (Value::Object(members), Value::Object(has)) => {
                for (name, member) in members {
                    let path = format!("{path}/{name}");
                    if let Some(value) = has.get(name) {
                        self.compare(member, value, &path);
                    } else {
                        self.seen.insert(path.clone());
                        self.faults.push(format!("{path} is missing"));
                    }
                }
            }
            (Value::Array(one), Value::Array(rows)) => {
                for row in rows {
                    self.compare(&one[0], row, &format!("{path}/*"));
                }
            }
            (Value::String(word), got) if is_like(word, got) => {}
            (shape, got) => self.faults.push(format!("{path} is {got}, not {shape}")),
        }
    }
}

fn is_like(word: &str, got: &Value) -> bool {
    if let Some(word) = word.strip_suffix('?') {
        return got.is_null() || is_like(word, got);
    }
    if let Some(wanted) = word.strip_prefix('=') {
        return got.as_str().map_or_else(|| got.to_string(), str::to_owned) == wanted;
    }
    match word {
        "any" => true,
        "text" | "null" => got.is_string(),
        "d4" => got.as_str().is_some_and(is_d4),
        "num" => got.is_number(),
        "int" => got.is_i64(),
        "bool" => got.is_boolean(),
        "flag" => got == 0 || got == 1,
        "time" => got.as_str().is_some_and(is_time),
        several if several.contains('|') => {
            got.as_str().is_some_and(|text| several.split('|').any(|one| one == text))
        }
        other => panic!("{other} is no word of a shape"),
    }
}

/// Decimal text with at least four decimals.
fn is_d4(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    unsigned.split_once('.').is_some_and(|(whole, part)| digits(whole) && digits(part) && part.len() >= 4)
}

fn is_time(text: &str) -> bool {
    text.len() == "2026-05-09T21:00:00Z".len() && text.ends_with('Z') && text.parse::<Timestamp>().is_ok()
}

#[test]
fn a_shape_is_told_from_its_like() {
    let shape = of_example(&serde_json::json!({"ok": true, "rows": [{"a": "1.0000"}, {"a": null}], "n": 1}));
    assert_eq!(shape, serde_json::json!({"ok": "bool", "rows": [{"a": "d4?"}], "n": "num"}));
    let faults = |answer: Value| faults(&shape, &answer);
    assert_eq!(
        faults(serde_json::json!({"ok": true, "rows": [{"a": "0.12345"}], "n": 2.5, "more": 1})),
        [""; 0]
    );
    assert_eq!(faults(serde_json::json!({"ok": true, "rows": [{"a": "0.123"}], "n": 2})).len(), 1);
    assert_eq!(faults(serde_json::json!({"ok": 1, "rows": [], "n": "2"})).len(), 4);
}
