//! The part of the OpenAPI document about the subaccounts API, written by hand: its parameters come in every form.

use serde_json::Value;

/// Paths and schemas.
const DESCRIBED: &str = include_str!("openapi.json");

/// Pointers into the document, each with the members to add there.
pub(crate) fn described() -> [(&'static str, Value); 2] {
    let mut described: Value = serde_json::from_str(DESCRIBED).unwrap_or_default();
    ["/paths", "/components/schemas"]
        .map(|pointer| (pointer, described.pointer_mut(pointer).map(Value::take).unwrap_or_default()))
}
