//! Unknown parameters in the URL, and an `Idempotency-Key` that is not a header.

use serde_json::json;
use tollgate::api::endpoint::Verb;
use tollgate::api::surface::Surface;
use tollgate::config::UnknownFields;

use crate::app::TestApp;
use crate::app::deployment::Deployment;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_parameter_is_refused_by_name_at_every_endpoint() {
    let deployment = Deployment::start(&[]).await;
    for surface in Surface::ALL {
        let api = surface.path();
        let script = deployment.script(Deployment::owner(api));
        for route in surface.routes() {
            let name = route.name;
            for (path, parameter) in [
                (format!("/{api}/index.php?endpoint={name}&no_such=1"), "no_such"),
                (format!("/{api}/v1/{name}?no_such=1"), "no_such"),
                (format!("/{api}/v1/{name}?endpoint={name}"), "endpoint"),
            ] {
                let answer = match route.verb {
                    Verb::Get => script.get(&path).await,
                    Verb::Post => script.post(&path, &json!({})).await,
                };
                assert_eq!(answer.refused(400), "unknown_parameter", "{path}");
                assert_eq!(answer.json()["field"], parameter, "{path}");
            }
        }
    }
    assert!(deployment.serving.stop().success());
    deployment.program.assert_audit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idempotency_key_that_is_not_a_header_is_refused_and_sends_nothing() {
    let deployment = Deployment::start(&[]).await;
    let client = deployment.script("client");
    let message = json!({"phone": "+447575396991", "message": "Hi"});
    let before = client.read("client-api", "balance").await.ok();
    for name in ["Idempotency-Key", "idempotency_key", "X-Idempotency-Key"] {
        let answer = client.write("sms-api", &format!("send&{name}=one"), &message).await;
        assert_eq!(answer.refused(400), "misplaced_header");
        let mut with_key = message.clone();
        with_key[name] = "one".into();
        assert_eq!(client.write("sms-api", "send", &with_key).await.refused(400), "misplaced_header");
    }
    assert_eq!(client.read("sms-api", "history").await.ok()["total"], 0);
    assert_eq!(client.read("client-api", "balance").await.ok(), before);
    let path = "/api/subaccounts?action=transfer_credits&Idempotency-Key=one";
    let refused = client.post(path, &json!({"id": "1", "amount": 1})).await.ok();
    assert_eq!(refused["success"], false);
    assert!(refused["error"].as_str().unwrap().starts_with("Idempotency-Key is a header"), "{refused}");
    assert!(deployment.serving.stop().success());
    deployment.program.assert_audit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_subaccounts_api_refuses_an_unknown_parameter_in_its_own_shape() {
    let deployment = Deployment::start(&[]).await;
    let client = deployment.script("client");
    for path in ["/api/subaccounts?action=read&no_such=1", "/api/subaccounts/read?no_such=1"] {
        let refused = client.get(path).await.ok();
        assert_eq!(refused, json!({"success": false, "error": "Unknown parameter: no_such"}), "{path}");
    }
    // Fields of a body are ignored: client libraries send more than the document shows.
    assert!(client.post("/api/subaccounts?action=read", &json!({"no_such": 1})).await.ok().is_array());
    assert!(deployment.serving.stop().success());
}

#[tokio::test]
async fn unknown_parameters_are_ignored_where_the_configuration_says_so() {
    let app = TestApp::start_with(|config| config.api.unknown_fields = UnknownFields::Ignore).await;
    app.furnish().await;
    let alice = app.script("alice").await;

    alice.read("client-api", "me&no_such=1").await.ok();
    assert!(alice.get("/api/subaccounts?action=read&no_such=1").await.ok().is_array());
    assert_eq!(alice.read("client-api", "me&Idempotency-Key=1").await.refused(400), "misplaced_header");
    app.stop().await;
}
