//! The OpenAPI document.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::app::TestApp;

fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_str() {
                    Some(to) if name == "$ref" => {
                        found.insert(to);
                    }
                    _ => references(member, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_name_that_the_document_uses_is_described_in_it() {
    let app = TestApp::start().await;
    let document = app.stranger().get("/openapi.json").await.ok();
    let mut used = BTreeSet::new();
    references(&document, &mut used);
    let unknown: Vec<_> = used.iter().filter(|to| document.pointer(&to[1..]).is_none()).collect();
    assert!(!used.is_empty() && unknown.is_empty(), "{unknown:?}");
    app.stop().await;
}
