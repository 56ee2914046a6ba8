//! The examples of the OpenAPI document: recorded from a running server, and recorded again here to be compared.
//!
//! `TOLLGATE_WRITE_EXAMPLES=1 cargo nextest run examples` writes the file anew.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::app::deployment::{Deployment, LOOKED_AT};
use crate::app::documents::{self, Documented, OnTheWire};

/// Rows of a list that an example shows.
const ROWS: usize = 2;
/// Members that differ from run to run: ids, times, secrets, random names, states that other tasks change.
const VOLATILE: [&str; 38] = [
    "activation_code",
    "campaign_id",
    "client_balance",
    "created_at",
    "delivered",
    "delivered_at",
    "email",
    "expires_at",
    "failure",
    "ha1_secret",
    "iccid",
    "id",
    "id_plan",
    "login",
    "name",
    "order_id",
    "password",
    "peer_name",
    "plan_id",
    "qr_code_url",
    "registered",
    "remaining_bytes",
    "scheduled_at",
    "scheduled_sms_id",
    "sent",
    "sent_at",
    "sms_id",
    "started_at",
    "status",
    "temporary_password",
    "time",
    "token",
    "total_bytes",
    "uniqueid",
    "updated_at",
    "used_bytes",
    "username",
    "voucher",
];

fn path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api/examples.json")
}

fn operation_id(entry: &Documented) -> String {
    format!("{}-{}", entry.api, entry.endpoint)
}

/// The request and its answer as the document shows them.
fn example(entry: &Documented, request: &OnTheWire, answer: &Value, base: &str) -> Value {
    let query = request.path.split_once('?').map_or("", |(_, query)| query);
    let query: Map<String, Value> = form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name != "endpoint" && name != "action")
        .map(|(name, value)| {
            let number = value
                .parse::<i64>()
                .ok()
                .filter(|_| matches!(&*name, "limit" | "offset" | "id" | "order_id"));
            (name.into_owned(), number.map_or_else(|| json!(value), |number| json!(number)))
        })
        .collect();
    let mut made = json!({ "query": query, "answer": shortened(answer, base) });
    if entry.method == hyper::Method::POST {
        made["body"] = serde_json::from_str(&request.body).unwrap_or_else(|_| json!({}));
    }
    made
}

/// The request with its amount as text, the documented type, where the published document shows a number.
fn with_exact_amounts(entry: &Documented, mut request: OnTheWire) -> OnTheWire {
    if entry.api == "reseller-api"
        && let Ok(mut body) = serde_json::from_str::<Value>(&request.body)
        && body["amount"].is_number()
    {
        body["amount"] = body["amount"].to_string().into();
        request.body = body.to_string();
    }
    request
}

/// An answer with the first rows of its lists, and without this run's address.
fn shortened(value: &Value, base: &str) -> Value {
    match value {
        Value::Array(items) => items.iter().take(ROWS).map(|item| shortened(item, base)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, member)| (name.clone(), shortened(member, base))).collect()
        }
        Value::String(text) => text.replace(base, "https://portal.example").into(),
        other => other.clone(),
    }
}

/// An example with the values of volatile members replaced, and every number by its type: amounts and counts follow the
/// clocks of the run.
fn masked(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(masked).collect(),
        Value::Object(members) => {
            let mask = |(name, member): (&String, &Value)| {
                let is_plain = !member.is_object() && !member.is_array();
                let masked =
                    if is_plain && VOLATILE.contains(&name.as_str()) { "…".into() } else { masked(member) };
                (name.clone(), masked)
            };
            members.iter().map(mask).collect()
        }
        Value::Number(_) => "number".into(),
        other => other.clone(),
    }
}

/// Waits until both failed calls of the client that is shown are recorded: a refusal is recorded after its answer.
async fn until_failed_calls_are_recorded(deployment: &Deployment) {
    let query = format!("client-failed-calls&login={LOOKED_AT}");
    for _ in 0..300 {
        if deployment.script("reseller").read("reseller-api", &query).await.ok()["total"] == 2 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the failed calls were not recorded within 30 s");
}

/// Waits until the order that was bought is allocated, so that its example shows an eSIM.
async fn until_allocated(deployment: &Deployment) {
    for _ in 0..300 {
        let orders = deployment.script("client").read("esim-api", "orders").await.ok();
        if orders["orders"][0]["status"] == "ALLOCATED" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the order was not allocated within 30 s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_of_the_document_are_what_the_server_answers() {
    let mut deployment = Deployment::start(&[]).await;
    let base = deployment.names["at"].clone();
    until_failed_calls_are_recorded(&deployment).await;
    let mut recorded = Map::new();
    for entry in documents::all() {
        if entry.api == "esim-api" && entry.endpoint == "orders" {
            until_allocated(&deployment).await;
        }
        let names = deployment.names.clone();
        let request = with_exact_amounts(&entry, entry.on_the_wire(&names));
        let answer = deployment.send(entry.owner(), &request).await.ok();
        deployment.remember(&entry, &answer);
        let is_better =
            |known: &Value| known["body"] == json!({}) && !request.body.is_empty() && request.body != "{}";
        let id = operation_id(&entry);
        if recorded.get(&id).is_none_or(is_better) {
            recorded.insert(id, example(&entry, &request, &answer, &base));
        }
    }
    assert!(deployment.serving.stop().success());
    let recorded = Value::Object(recorded);
    if std::env::var_os("TOLLGATE_WRITE_EXAMPLES").is_some() {
        std::fs::write(path(), format!("{recorded:#}\n")).unwrap();
    }
    let known: Value = serde_json::from_str(&std::fs::read_to_string(path()).unwrap()).unwrap();
    let ids: BTreeSet<&String> =
        [&known, &recorded].into_iter().flat_map(|examples| examples.as_object().unwrap().keys()).collect();
    let differ: Vec<_> = ids.into_iter().filter(|id| masked(&known[*id]) != masked(&recorded[*id])).collect();
    assert!(
        differ.is_empty(),
        "{differ:?} differ: run this test with TOLLGATE_WRITE_EXAMPLES=1. The first: {:#}\n{:#}",
        known[differ[0]],
        recorded[differ[0]]
    );
}
