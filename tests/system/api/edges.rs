//! Checks before an endpoint runs, on all four `index.php` APIs.

use hyper::Method;
use serde_json::json;

use crate::app::TestApp;

#[tokio::test]
async fn me_uses_the_number_format_of_its_api() {
    let app = TestApp::start().await;
    app.furnish().await;
    let (client, reseller) = (app.script("alice").await, app.script("acme").await);
    let me = client.read("client-api", "me").await.ok();
    assert_eq!(me["success"], true);
    assert_eq!(me["data"]["username"], "alice");
    assert!(me["data"]["balance"].as_str().unwrap().contains('.'), "{me}");
    assert_eq!((&me["data"]["active"], &me["data"]["plan_name"]), (&json!(1), &json!("retail")));
    let me = reseller.read("reseller-api", "me").await.ok();
    assert_eq!((&me["ok"], &me["reseller"]["group"]), (&json!(true), &json!("Agent")));
    assert!(me["reseller"]["balance"].is_number() && me["reseller"]["active"] == true, "{me}");
    assert_eq!(client.get("/client-api/v1/me").await.ok(), client.read("client-api", "me").await.ok());
    app.stop().await;
}

#[tokio::test]
async fn malformed_requests_are_refused_before_their_endpoint_runs() {
    let app = TestApp::start().await;
    app.furnish().await;
    let client = app.script("alice").await;
    let stranger = app.stranger();
    assert_eq!(stranger.read("client-api", "me").await.refused(401), "unauthorized");
    assert_eq!(
        stranger.read("client-api", "nothing").await.without_request_id(),
        stranger.read("client-api", "me").await.without_request_id(),
    );
    assert_eq!(client.read("client-api", "nothing").await.refused(404), "unknown_endpoint");
    assert_eq!(client.read("client-api", "me&endpoint=me").await.refused(400), "bad_request");
    assert_eq!(client.read("client-api", "me&api_key=x").await.refused(400), "key_in_url");
    assert_eq!(client.read("reseller-api", "me").await.refused(403), "wrong_key_kind");
    let nowhere = client.get("/nowhere").await;
    assert_eq!(nowhere.refused(404), "not_found");
    assert_eq!(nowhere.headers["x-request-id"], nowhere.json()["request_id"].as_str().unwrap());
    assert!(client.get("/openapi.json").await.headers.contains_key("x-request-id"));
    client.get("/client-api/?endpoint=me").await.ok();
    let posted = client.write("client-api", "me", &json!({})).await;
    assert_eq!(posted.refused(405), "method_not_allowed");
    assert_eq!(posted.headers["allow"], "GET");
    let key = client.key.clone().unwrap();
    let twice = stranger
        .ask(
            Method::GET,
            "/client-api/index.php?endpoint=me",
            &[("X-API-Key", &key), ("X-API-Key", &key)],
            "",
        )
        .await;
    assert_eq!(twice.refused(400), "bad_request");
    assert_eq!(twice.headers["x-request-id"], twice.json()["request_id"].as_str().unwrap());
    app.stop().await;
}
