//! Secrets that enter or leave the service appear in no log line, no error and no metric.

use hyper::Method;
use serde_json::{Value, json};

use crate::app::deployment::{CLIENT, Deployment, GATEWAY_KEY, JANUS_SECRET, METRICS_TOKEN, WEBHOOK_TOKEN};
use crate::app::documents;
use crate::app::http::{Answered, Script};

/// An account's password.
const PASSWORD: &str = "CanaryPassword7341";
/// A SIP account's password.
const SIP_PASSWORD: &str = "CanarySipPass7342";
/// A key that is nobody's.
const KEY: &str = "CanaryKey7343CanaryKey7343Canary";
/// A voucher that is none.
const VOUCHER: &str = "CANARY-7344-CANARY-7344";

/// What somebody writes to somebody.
const TEXT: &str = "CanaryText7345";

/// Every text under one of these names, wherever it stands: what an answer shows this once.
fn secrets_of(answer: &Value, found: &mut Vec<String>) {
    const NAMES: [&str; 5] = ["password", "temporary_password", "token", "ha1_secret", "key"];
    match answer {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if NAMES.contains(&name.as_str()) => found.push(text.clone()),
                    value => secrets_of(value, found),
                }
            }
        }
        Value::Array(rows) => rows.iter().for_each(|row| secrets_of(row, found)),
        _ => {}
    }
}

/// Requests that carry secrets, well formed and not.
fn bodies() -> Vec<(&'static str, &'static str, String)> {
    let long = PASSWORD.repeat(100);
    let mut bodies: Vec<(&str, &str, String)> = Vec::new();
    let mut add = |api, endpoint, body: String| bodies.push((api, endpoint, body));
    for password in [
        json!(PASSWORD),
        json!([PASSWORD]),
        json!({ "a": PASSWORD }),
        json!(long),
        json!(format!("{PASSWORD}\u{0}")),
    ] {
        add("reseller-api", "create-client", json!({"login": "carol", "password": password}).to_string());
        add("reseller-api", "client-auth", json!({"login": CLIENT, "password": password}).to_string());
        add(
            "client-api",
            "change-password",
            json!({"current_password": password, "new_password": PASSWORD}).to_string(),
        );
        add(
            "client-api",
            "change-password",
            json!({"current_password": "OldPassword", "new_password": password}).to_string(),
        );
        add("client-api", "create-sip", json!({"password": password}).to_string());
        add("client-api", "update-sip-password", json!({"name": CLIENT, "password": password}).to_string());
    }
    add("client-api", "create-sip", json!({"password": SIP_PASSWORD}).to_string());
    add("client-api", "create-sip", json!({"passwort": SIP_PASSWORD}).to_string());
    add("client-api", "create-sip", format!("{{\"password\":\"{SIP_PASSWORD}"));
    add(
        "client-api",
        "create-sip",
        format!("{{\"password\":\"{SIP_PASSWORD}\",\"password\":\"{SIP_PASSWORD}\"}}"),
    );
    add("client-api", "create-sip", format!("\"{SIP_PASSWORD}\""));
    add("client-api", "update-sip-password", json!({"name": CLIENT, "password": SIP_PASSWORD}).to_string());
    add(
        "client-api",
        "update-sip-password",
        json!({"name": "1999999999", "password": SIP_PASSWORD}).to_string(),
    );
    // A password where something else belongs.
    add("reseller-api", "create-client", json!({"plan_id": PASSWORD}).to_string());
    add("reseller-api", "set-client-status", json!({"login": CLIENT, "active": PASSWORD}).to_string());
    add(
        "reseller-api",
        "transfer",
        json!({"login": CLIENT, "amount": PASSWORD, "external_id": "1"}).to_string(),
    );
    add("client-api", "add-callerid", json!({"cid": PASSWORD, "name": "Main"}).to_string());
    add("client-api", "delete-callerid", json!({"id": PASSWORD}).to_string());
    for message in [json!(TEXT), json!([TEXT]), json!(TEXT.repeat(200)), json!(format!("{TEXT}\u{0}"))] {
        for provider in ["cryptosms", "gateway", TEXT] {
            let mut body = json!({"message": message, "provider": provider, "phone": "+447575396991"});
            add("sms-api", "send", body.to_string());
            body["scheduled_at"] = TEXT.into();
            add("sms-api", "schedule", body.to_string());
        }
        add("sms-api", "bulk", json!({"message": message, "phones": [TEXT]}).to_string());
        add("sms-api", "bulk", json!({"message": message, "phones": ["+447575396991"]}).to_string());
    }
    for voucher in [json!(VOUCHER), json!([VOUCHER]), json!(VOUCHER.repeat(50))] {
        add("client-api", "redeem-voucher", json!({"voucher": voucher}).to_string());
    }
    bodies
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_appears_in_logs_errors_or_metrics() {
    let mut deployment = Deployment::start(&[("TOLLGATE_LOG__FILTER", "debug")]).await;
    let signing =
        deployment.program.ok(&["key", "signing", CLIENT])["signing_secret"].as_str().unwrap().to_owned();
    let mut secrets: Vec<String> = [
        PASSWORD,
        SIP_PASSWORD,
        KEY,
        VOUCHER,
        METRICS_TOKEN,
        JANUS_SECRET,
        WEBHOOK_TOKEN,
        GATEWAY_KEY,
        TEXT,
        "OldPassword",
        "StrongPass123",
        "StrongSipPass123",
    ]
    .map(str::to_owned)
    .to_vec();
    secrets.push(signing);
    secrets.push(deployment.names["voucher"].clone());
    for role in crate::app::deployment::ROLES {
        secrets.extend(deployment.key(role).map(str::to_owned));
    }
    let mut refusals: Vec<(String, Answered)> = Vec::new();
    for (api, endpoint, body) in bodies() {
        let path = format!("/{api}/index.php?endpoint={endpoint}");
        let script = deployment.script(Deployment::owner(api));
        let answered =
            script.ask(Method::POST, &path, &[("Content-Type", "application/json")], body.clone()).await;
        if answered.status == 200 {
            secrets_of(&answered.json(), &mut secrets);
        } else {
            refusals.push((format!("{endpoint} {body}"), answered));
        }
    }
    for entry in documents::all() {
        if !entry.is_ready(&deployment.names) {
            continue;
        }
        let request = entry.on_the_wire(&deployment.names);
        let answered = deployment.send(entry.owner(), &request).await;
        if answered.status == 200 {
            let answer = answered.json();
            secrets_of(&answer, &mut secrets);
            if entry.faults(&answer).is_empty() {
                deployment.remember(&entry, &answer);
            }
        } else {
            refusals.push((entry.title(), answered));
        }
    }
    let at = deployment.at();
    let stranger = Script { at, key: None };
    let shown = Script { at, key: Some(KEY.to_owned()) };
    let good = deployment.key("client").unwrap().to_owned();
    for path in [
        "/client-api/index.php?endpoint=me",
        "/reseller-api/v1/me",
        "/api/subaccounts?action=read",
        "/nothing",
    ] {
        refusals.push((path.to_owned(), shown.get(path).await));
        for key in [KEY, good.as_str()] {
            let bearer = format!("Bearer {key}");
            let asked = stranger.ask(Method::GET, path, &[("Authorization", &bearer)], "").await;
            refusals.push((path.to_owned(), asked));
            let mark = if path.contains('?') { '&' } else { '?' };
            for name in ["p", "api_key", "key"] {
                let path = format!("{path}{mark}{name}={key}");
                refusals.push((path.clone(), stranger.get(&path).await));
            }
        }
    }
    let inside = Script { at: deployment.serving.internal, key: None };
    let bearer = format!("Bearer {METRICS_TOKEN}");
    let metrics = inside.ask(Method::GET, "/metrics", &[("Authorization", &bearer)], "").await;
    assert_eq!(metrics.status, 200, "{metrics:?}");

    // Let what is being logged arrive.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let log = deployment.serving.log();
    assert!(log.contains("\"DEBUG\""), "the log is at its most talkative");
    assert!(log.contains("message not accepted"), "the gateway was to be asked with its key");
    let mut found = Vec::new();
    for secret in secrets.iter().filter(|secret| secret.len() >= 6) {
        found.extend(log.lines().filter(|line| line.contains(secret)).take(2).map(str::to_owned));
        if metrics.text.contains(secret) {
            found.push(format!("{secret} in the metrics"));
        }
        for (asked, answered) in refusals.iter().filter(|(_, answered)| answered.text.contains(secret)) {
            // The subaccounts API answers a good key that came in a header it knows.
            if answered.json().get("error").is_some() {
                found.push(format!("{asked}: {}", answered.text));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}
