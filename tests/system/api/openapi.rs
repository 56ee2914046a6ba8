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
async fn every_reference_of_the_document_resolves() {
    let app = TestApp::start().await;
    let document = app.stranger().get("/openapi.json").await.ok();
    let mut used = BTreeSet::new();
    references(&document, &mut used);
    let unknown: Vec<_> = used.iter().filter(|to| document.pointer(&to[1..]).is_none()).collect();
    assert!(!used.is_empty() && unknown.is_empty(), "{unknown:?}");
    app.stop().await;
}

#[tokio::test]
async fn the_document_has_these_operations() {
    let app = TestApp::start().await;
    let document = app.stranger().get("/openapi.json").await.ok();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations.push(format!("{method} {path}: {}", operation["operationId"].as_str().unwrap()));
        }
    }
    operations.sort();
    insta::assert_snapshot!(operations.join("\n"));
    app.stop().await;
}

#[tokio::test]
async fn the_page_shows_every_operation_and_loads_no_external_resource() {
    let app = TestApp::start().await;
    let document = app.stranger().get("/openapi.json").await.ok();
    let page = app.stranger().get("/docs").await;
    assert_eq!(page.status, 200);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    for outside in ["<script", "src=\"http", "href=\"http", "@import"] {
        assert!(!page.text.contains(outside), "{outside}");
    }
    for (path, item) in document["paths"].as_object().unwrap() {
        assert!(page.text.contains(path), "{path}");
        for operation in item.as_object().unwrap().values() {
            assert!(
                page.text.contains(&format!("id=\"{}\"", operation["operationId"].as_str().unwrap())),
                "{path}"
            );
        }
    }
    let style = app.stranger().get("/docs/style.css").await;
    assert_eq!(
        (style.status, style.headers["content-type"].to_str().unwrap()),
        (200, "text/css; charset=utf-8")
    );
    app.stop().await;
}
