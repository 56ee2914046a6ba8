//! The published documents: every curl line, with this run's host, key, ids and codes, run by the real curl; every member
//! of a documented answer with its type.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};
use tollgate::api::endpoint::Verb;
use tollgate::api::surface::Surface;

use crate::app::deployment::Deployment;
use crate::app::documents::{self, Documented};

/// Actions of the subaccounts API.
const ACTIONS: [&str; 5] = ["read", "create", "delete", "update", "transfer_credits"];

/// What the endpoints that are read name.
const NAMED: &str = "login=6307210&package_code=P2CYMUS93&order_id=999999999";

#[test]
fn the_documented_requests_cover_every_endpoint_and_no_other() {
    let listed: BTreeSet<String> = documents::all().iter().map(Documented::title).collect();
    let mut routed: BTreeSet<String> = BTreeSet::new();
    for surface in Surface::ALL {
        let titles = surface.routes().iter();
        routed
            .extend(titles.map(|route| format!("{} {} {}", surface.path(), route.verb.as_str(), route.name)));
    }
    routed.extend(ACTIONS.map(|action| format!("subaccounts POST {action}")));
    let missing: Vec<_> = routed.difference(&listed).collect();
    assert!(missing.is_empty(), "not in tests/system/documents: {missing:#?}");
    let unknown: Vec<_> = listed.difference(&routed).collect();
    assert!(unknown.is_empty(), "documented, and not there: {unknown:#?}");
}

/// Each endpoint is there twice, from one table: what one address answers, the other does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_addresses_of_an_endpoint_answer_alike() {
    let deployment = Deployment::start(&[]).await;
    let message = json!({"phone": "+447575396991", "message": "Hi"});
    let sent = deployment.script("client").write("sms-api", "send", &message).await.ok()["sms_id"].clone();
    for surface in Surface::ALL {
        let api = surface.path();
        let script = deployment.script(Deployment::owner(api));
        for route in surface.routes() {
            let name = route.name;
            let named = format!("{NAMED}&id={sent}");
            let known = (route.parameters)();
            let is_known = |pair: &&str| pair.split_once('=').is_some_and(|(name, _)| known.contains(&name));
            let of: Vec<&str> = named.split('&').filter(is_known).collect();
            let of = of.join("&");
            let (at_parameter, at_path) =
                (format!("/{api}/index.php?endpoint={name}&{of}"), format!("/{api}/v1/{name}?{of}"));
            let answers = match route.verb {
                Verb::Get => [script.get(&at_parameter).await, script.get(&at_path).await],
                // Refused by name before anything is done.
                Verb::Post => {
                    let body = json!({ "no_such_field": 1 });
                    [script.post(&at_parameter, &body).await, script.post(&at_path, &body).await]
                }
            };
            let [one, other] = answers.map(|answer| {
                let (status, mut json) = answer.without_request_id();
                if name == "portal-bootstrap" {
                    json["portal"]["time"].take();
                }
                (status, json)
            });
            assert_eq!(one, other, "{api} {name}");
            let status = match (route.verb, name) {
                // Nothing was ordered.
                (_, "sync-order") => 404,
                (Verb::Get, _) => 200,
                (Verb::Post, _) => 400,
            };
            assert_eq!(one.0, status, "{api} {name}: {}", one.1);
        }
    }
}

/// Runs a curl line as a shell does; the status and the answer.
fn run(line: &str) -> (u16, String) {
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("{line} -w '%{{stderr}}%{{http_code}}'")]);
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        shell.env_remove(name);
    }
    let output = shell.output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{line}: {err}");
    // Without -s curl tells of its progress there too.
    let status = err.get(err.len().saturating_sub(3)..).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("{line}: {err}")), String::from_utf8(output.stdout).unwrap())
}

/// Runs every line of a document; what is not as documented.
async fn follow(api: &str) -> Vec<String> {
    follow_as(api, Documented::owner).await
}

/// As [`follow`], each line by the role that this names.
async fn follow_as(api: &str, role: impl Fn(&Documented) -> &'static str) -> Vec<String> {
    let mut deployment = Deployment::start(&[]).await;
    let mut faults = Vec::new();
    for entry in documents::of(api) {
        let names = deployment.names.clone();
        if !entry.is_ready(&names) {
            faults.push(format!("{}: an earlier request did not answer what it names", entry.title()));
            continue;
        }
        let line = entry.line(&names["at"], deployment.key(role(&entry)).unwrap(), &names);
        let (status, text) = tokio::task::spawn_blocking(move || run(&line)).await.unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        let wrong = match status {
            200 => entry.faults(&answer),
            refused => vec![format!("status {refused}")],
        };
        if wrong.is_empty() {
            deployment.remember(&entry, &answer);
        } else {
            faults.push(format!("{}: {wrong:?}: {text}", entry.title()));
        }
    }
    assert!(deployment.serving.stop().success());
    deployment.program.assert_audit();
    faults
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_documented_request_of_the_client_api_is_answered_as_documented() {
    let faults = follow("client-api").await;
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_documented_request_of_the_reseller_api_is_answered_as_documented() {
    let faults = follow("reseller-api").await;
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_documented_request_of_the_sms_api_is_answered_as_documented() {
    let faults = follow("sms-api").await;
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_documented_request_of_the_subaccounts_api_is_answered_as_documented() {
    let faults = follow("subaccounts").await;
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_documented_request_of_the_esim_api_is_answered_as_documented_to_clients_and_resellers() {
    for role in ["client", "reseller"] {
        let faults = follow_as("esim-api", |_| role).await;
        assert!(faults.is_empty(), "{role}: {faults:#?}");
    }
}
