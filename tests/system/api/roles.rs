//! Permissions: every request of the published documents, made by every role.
//!
//! The rule: without a good key 401; with a key of the other API's kind 403; whoever names somebody else's thing 404,
//! exactly as if it did not exist; otherwise 200. Exceptions stand beside the requests (`-- role`).

use serde_json::Value;

use crate::app::deployment::{Deployment, ROLES};
use crate::app::documents::{self, Documented, OnTheWire};
use crate::app::http::Answered;

/// What a role must be answered.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    /// By its status.
    Status(u16),
    /// 200 and `900` alone: the gateway's word for a bad key.
    BadKey,
    /// 200 with `"success": false`.
    Refused,
    /// 200, done.
    Done,
}

fn expected(entry: &Documented, role: &str) -> Expected {
    if let Some(status) = entry.roles.get(role) {
        return Expected::Status(*status);
    }
    let owner = role == entry.owner();
    let keyless = matches!(role, "no_key" | "bad_key" | "revoked_key");
    let admitted = match entry.api {
        "reseller-api" => matches!(role, "reseller" | "other_reseller"),
        "client-api" => matches!(role, "client" | "other_client" | "subaccount"),
        "sms-api" | "esim-api" => !keyless,
        // A subaccount has none of its own, and a reseller has clients.
        _ => matches!(role, "client" | "other_client"),
    };
    let anothers = !owner && !entry.names.is_empty();
    match (entry.api, keyless, admitted) {
        ("subaccounts", true, _) => Expected::BadKey,
        ("subaccounts", _, false) => Expected::Refused,
        ("subaccounts", _, true) if anothers => Expected::Refused,
        ("subaccounts", _, true) => Expected::Done,
        (_, true, _) => Expected::Status(401),
        (_, _, false) => Expected::Status(403),
        (_, _, true) if anothers => Expected::Status(404),
        _ => Expected::Status(200),
    }
}

fn is_as_expected(expected: &Expected, answered: &Answered) -> bool {
    let json = || serde_json::from_str::<Value>(&answered.text).unwrap_or_default();
    match expected {
        Expected::Status(status) => answered.status == *status,
        Expected::BadKey => answered.status == 200 && answered.text.trim_matches('"') == "900",
        Expected::Refused => answered.status == 200 && json()["success"] == false,
        Expected::Done => answered.status == 200 && (json()["success"] == true || json().is_array()),
    }
}

/// Somebody else's thing must be answered as nobody's is.
async fn compare_with_missing(
    deployment: &Deployment,
    entry: &Documented,
    request: &OnTheWire,
    role: &str,
    faults: &mut Vec<String>,
) {
    for (field, nobodys) in &entry.names {
        let anothers = deployment.send(role, request).await.without_request_id();
        let missing = deployment.send(role, &request.naming(field, nobodys)).await.without_request_id();
        if anothers != missing {
            let title = entry.title();
            faults.push(format!("{title} by {role}, {field}: {anothers:?} is not as {missing:?}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_role_gets_the_required_status_at_every_endpoint() {
    let mut deployment = Deployment::start(&[]).await;
    let (mut cells, mut faults) = (0, Vec::new());
    let entries = documents::all();
    for entry in &entries {
        let owner = entry.owner();
        if !entry.is_ready(&deployment.names) {
            faults.push(format!("{}: an earlier request did not answer what it names", entry.title()));
            continue;
        }
        let request = entry.on_the_wire(&deployment.names);
        // Those who may not come first, and find what the owner has not yet changed.
        let others = ROLES.iter().filter(|role| **role != owner);
        for role in others.chain([&owner]) {
            let expected = expected(entry, role);
            let answered = deployment.send(role, &request).await;
            cells += 1;
            if !is_as_expected(&expected, &answered) {
                let (status, text) = (answered.status, &answered.text);
                faults.push(format!("{} by {role}: {status} {text}, not {expected:?}", entry.title()));
            }
            let told_of_another = matches!(expected, Expected::Status(404) | Expected::Refused);
            if told_of_another {
                compare_with_missing(&deployment, entry, &request, role, &mut faults).await;
            }
            if *role == owner && answered.status == 200 {
                deployment.remember(entry, &answered.json());
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert_eq!(cells, entries.len() * ROLES.len());
    assert!(deployment.serving.stop().success());
    deployment.program.assert_audit();
}

/// A reseller that names another's plan for its own client, a client that names a plan it is not offered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_of_another_owner_is_not_found() {
    let deployment = Deployment::start(&[]).await;
    let plan = &deployment.names["offered_plan"];
    for (role, path, body) in [
        (
            "other_reseller",
            "/reseller-api/index.php?endpoint=change-plan",
            r#"{"login":"bob","plan_id":PLAN}"#,
        ),
        ("other_reseller", "/reseller-api/v1/create-client", r#"{"login":"carol","plan_id":PLAN}"#),
        ("other_client", "/client-api/v1/change-plan", r#"{"id_plan":PLAN}"#),
    ] {
        let request = |plan: &str| OnTheWire {
            method: hyper::Method::POST,
            path: path.to_owned(),
            content_type: Some("application/json"),
            body: body.replace("PLAN", plan),
        };
        let anothers = deployment.send(role, &request(plan)).await;
        let missing = deployment.send(role, &request("999999999")).await;
        assert_eq!(anothers.status, 404, "{path}: {anothers:?}");
        assert_eq!(anothers.without_request_id(), missing.without_request_id(), "{path}");
    }
}
