//! Caller IDs: ownership, policies, and the active one.

use serde_json::{Value, json};
use tollgate::accounts::callerids;
use tollgate::accounts::ops::AccountChange;
use tollgate::config::CalleridPolicy;

use crate::api::client::phones::{keys, set};
use crate::app::TestApp;
use crate::app::decks::BERLIN;
use crate::app::http::{Answered, Script};
use crate::app::phone::Dial;

async fn write(script: &Script, endpoint: &str, body: Value) -> Answered {
    script.write("client-api", endpoint, &body).await
}

async fn listed(script: &Script) -> Vec<Value> {
    script.read("client-api", "callerids").await.ok()["data"].as_array().unwrap().clone()
}

/// What the carrier sees of the next call.
async fn presented(app: &TestApp) -> String {
    let granted = app.dial("alice", BERLIN).await.allowed();
    app.talk(&granted, 1_000).await;
    granted.callerid
}

#[tokio::test]
async fn the_next_call_presents_the_active_caller_id() {
    let app = TestApp::start().await;
    app.furnish().await;
    app.client("bob", Some("acme"), "retail").await;
    let (alice, bob) = (app.script("alice").await, app.script("bob").await);
    let body = json!({ "cid": "+1234567890", "name": "Main Caller ID", "set_active": true });
    let added = write(&alice, "add-callerid", body.clone()).await.ok();
    let id = added["data"]["id"].clone();
    assert_eq!(keys(&added["data"]), set(&["id", "cid", "name", "active", "approved"]));
    assert_eq!(
        (&added["data"]["cid"], &added["data"]["name"]),
        (&json!("+1234567890"), &json!("Main Caller ID"))
    );
    assert_eq!((&added["data"]["active"], added["message"].is_string()), (&json!(1), true));
    assert_eq!(presented(&app).await, "+1234567890");
    assert_eq!(alice.read("client-api", "sip").await.ok()["data"][0]["callerid"], "+1234567890");

    let second = write(&alice, "add-callerid", json!({ "cid": "4930123456" })).await.ok();
    assert_eq!((&second["data"]["cid"], &second["data"]["active"]), (&json!("+4930123456"), &json!(0)));
    assert_eq!(second["data"]["name"], "");
    assert_eq!(presented(&app).await, "+1234567890");
    write(&alice, "set-callerid", json!({ "cid": "+4930123456" })).await.ok();
    assert_eq!(presented(&app).await, "+4930123456");
    let rows = listed(&alice).await;
    let active: Vec<_> =
        rows.iter().map(|row| (row["cid"].as_str().unwrap(), row["active"].clone())).collect();
    assert_eq!(active, [("+4930123456", json!(1)), ("+1234567890", json!(0))], "the newest first");

    assert_eq!(write(&alice, "add-callerid", body).await.refused(409), "exists");
    for (body, field) in [
        (json!({ "cid": "hello" }), "cid"),
        (json!({ "cid": "+12" }), "cid"),
        (json!({ "cid": "+1234567890123456" }), "cid"),
        (json!({ "cid": "0301234567" }), "cid"),
        (json!({ "cid": "+4930123457", "name": "x".repeat(65) }), "name"),
        (json!({ "cid": "+4930123457", "name": "a\nb" }), "name"),
        (json!({ "cid": "+4930123457", "set_active": 1 }), "set_active"),
        (json!({ "name": "none" }), "cid"),
    ] {
        let refused = write(&alice, "add-callerid", body).await;
        assert_eq!((refused.refused(400).as_str(), &refused.json()["field"]), ("bad_request", &json!(field)));
    }
    // Another client's is as one that nobody has.
    let missing = write(&bob, "set-callerid", json!({ "cid": "+4999999999" })).await.without_request_id();
    assert_eq!(
        write(&bob, "set-callerid", json!({ "cid": "+4930123456" })).await.without_request_id(),
        missing
    );
    let missing = write(&bob, "delete-callerid", json!({ "id": 999_999 })).await.without_request_id();
    assert_eq!(write(&bob, "delete-callerid", json!({ "id": id })).await.without_request_id(), missing);
    assert_eq!((missing.0, listed(&bob).await.len()), (404, 0));

    write(&alice, "delete-callerid", json!({ "id": id })).await.ok();
    assert_eq!(presented(&app).await, "+4930123456", "another one than the active was deleted");
    write(&alice, "delete-callerid", json!({ "id": second["data"]["id"] })).await.ok();
    assert_eq!(presented(&app).await, "");
    write(&alice, "add-callerid", json!({ "cid": "+1234567890", "set_active": true })).await.ok();
    write(&alice, "clear-callerid", json!({})).await.ok();
    assert_eq!(presented(&app).await, "");
    assert_eq!(listed(&alice).await[0]["active"], 0);
    // One that an operator has set is in no list.
    let change = AccountChange { callerid: Some(Some("4930999999".to_owned())), ..AccountChange::default() };
    app.set("alice", change).await;
    assert_eq!(
        (presented(&app).await.as_str(), &listed(&alice).await[0]["active"]),
        ("4930999999", &json!(0))
    );
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test]
async fn an_account_has_at_most_50_caller_ids() {
    let app = TestApp::start().await;
    app.furnish().await;
    let alice = app.script("alice").await;
    for n in 0..50 {
        write(&alice, "add-callerid", json!({ "cid": format!("+49301234{n:02}") })).await.ok();
    }
    assert_eq!(
        write(&alice, "add-callerid", json!({ "cid": "+4930999999" })).await.refused(409),
        "limit_reached"
    );
    assert_eq!(listed(&alice).await.len(), 50);
    app.stop().await;
}

#[tokio::test]
async fn under_the_pattern_policy_only_numbers_of_its_ranges_are_presented() {
    let app = TestApp::start_with(|config| {
        config.callerid.policy = CalleridPolicy::Pattern;
        config.callerid.prefixes = vec!["4930".to_owned()];
    })
    .await;
    app.furnish().await;
    let alice = app.script("alice").await;
    write(&alice, "add-callerid", json!({ "cid": "+4930123456", "set_active": true })).await.ok();
    let refused = write(&alice, "add-callerid", json!({ "cid": "+4940123456" })).await;
    assert_eq!((refused.refused(422).as_str(), &refused.json()["field"]), ("not_allowed", &json!("cid")));
    assert_eq!(presented(&app).await, "+4930123456");
    app.stop().await;
}

#[tokio::test]
async fn under_the_approval_policy_a_caller_id_needs_the_operators_approval() {
    let app = TestApp::start_with(|config| config.callerid.policy = CalleridPolicy::Approval).await;
    app.furnish().await;
    let alice = app.script("alice").await;
    let added = write(&alice, "add-callerid", json!({ "cid": "+4930123456", "set_active": true })).await.ok();
    assert_eq!((&added["data"]["active"], &added["data"]["approved"]), (&json!(0), &json!(0)));
    assert_eq!(
        write(&alice, "set-callerid", json!({ "cid": "+4930123456" })).await.refused(422),
        "not_approved"
    );
    assert_eq!(presented(&app).await, "");
    let id = added["data"]["id"].as_i64().unwrap();
    callerids::approve(&app.services, id).await.unwrap();
    write(&alice, "set-callerid", json!({ "cid": "+4930123456" })).await.ok();
    assert_eq!(presented(&app).await, "+4930123456");
    callerids::reject(&app.services, id).await.unwrap();
    assert_eq!((presented(&app).await, listed(&alice).await.len()), (String::new(), 0));
    app.stop().await;
}

/// What the carrier sees of a call whose phone says this number of itself, while no caller id is active.
async fn seen_of_a_phone(policy: CalleridPolicy, said: &str) -> String {
    let app = TestApp::start_with(|config| {
        config.callerid.policy = policy;
        config.callerid.prefixes = vec!["49".to_owned()];
    })
    .await;
    app.furnish().await;
    let dial = Dial { caller: said.to_owned(), ..Dial::new("alice", BERLIN) };
    let seen = dial.ask(app.fastagi).await.allowed().callerid;
    app.stop().await;
    seen
}

#[tokio::test]
async fn a_phone_presents_its_own_number_only_where_the_policy_allows_it() {
    assert_eq!(seen_of_a_phone(CalleridPolicy::Free, "+1555000111").await, "+1555000111");
    assert_eq!(seen_of_a_phone(CalleridPolicy::Pattern, "+4930111222").await, "+4930111222");
    assert_eq!(seen_of_a_phone(CalleridPolicy::Pattern, "+1555000111").await, "");
    assert_eq!(seen_of_a_phone(CalleridPolicy::Approval, "+4930111222").await, "");
}
