//! Transfers acknowledged over HTTP survive a kill of the server.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tollgate_rating::Money;

use crate::app::database::on_both;
use crate::app::house::money;
use crate::app::http::Script;
use crate::app::program::{Program, Serving};

/// Who asks at once.
const ASKING: usize = 8;
/// Acknowledged transfers after which the server is killed.
const ENOUGH: usize = 60;

fn body(external_id: &str) -> Value {
    json!({"login": "alice", "amount": "0.25", "external_id": external_id})
}

async fn connected(serving: &Serving) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(serving.http).await.unwrap();
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// A transfer over a connection that may die under it: the answer if one came whole.
async fn transfer(sender: &mut SendRequest<Full<Bytes>>, key: &str, external_id: &str) -> Option<Value> {
    let request = Request::builder()
        .method(Method::POST)
        .uri("/reseller-api/index.php?endpoint=transfer")
        .header(HOST, "tollgate")
        .header("X-API-Key", key)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body(external_id).to_string())))
        .unwrap();
    let response = sender.send_request(request).await.ok()?;
    let status = response.status();
    let bytes = response.into_body().collect().await.ok()?.to_bytes();
    assert_eq!(status, 200, "{external_id}: {}", String::from_utf8_lossy(&bytes));
    Some(serde_json::from_slice(&bytes).unwrap())
}

/// Every transfer that the reseller is shown, by its id; each must be there once.
async fn listed(script: &Script) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for offset in (0..).step_by(200) {
        let page = script.read("reseller-api", &format!("transactions&limit=200&offset={offset}")).await.ok();
        let rows = page["transactions"].as_array().unwrap().clone();
        if rows.is_empty() {
            break;
        }
        for row in rows {
            let id = row["external_id"].as_str().unwrap().to_owned();
            assert!(found.insert(id.clone(), row).is_none(), "{id} is there twice");
        }
    }
    found
}

on_both!(every_acknowledged_transfer_survives_a_kill_and_is_answered_alike_when_repeated, database => {
    let program = Program::on(database);
    program.furnish();
    let key = program.ok(&["key", "create", "acme"])["key"].as_str().unwrap().to_owned();
    let before = money(program.shown("alice", "balance").as_str().unwrap());
    let serving = program.serve();
    let acknowledged = Arc::new(Mutex::new(BTreeMap::new()));
    let (count, mut asked) = (Arc::new(AtomicUsize::new(0)), Vec::new());
    for asking in 0..ASKING {
        let (key, acknowledged, count) = (key.clone(), Arc::clone(&acknowledged), Arc::clone(&count));
        let mut sender = connected(&serving).await;
        asked.push(tokio::spawn(async move {
            for n in 0.. {
                let id = format!("ORDER-{asking}-{n}");
                let Some(answer) = transfer(&mut sender, &key, &id).await else { return n + 1 };
                acknowledged.lock().unwrap().insert(id, answer);
                count.fetch_add(1, Ordering::SeqCst);
            }
            0
        }));
    }
    while count.load(Ordering::SeqCst) < ENOUGH {
        assert!(asked.iter().all(|task| !task.is_finished()), "nobody is refused");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    serving.kill();
    let mut begun = 0;
    for task in asked {
        begun += task.await.unwrap();
    }
    let acknowledged = acknowledged.lock().unwrap().clone();
    assert!(acknowledged.len() >= ENOUGH && begun >= acknowledged.len());

    let serving = program.serve();
    let script = Script { at: serving.http, key: Some(key) };
    let in_the_book = listed(&script).await;
    for (id, answer) in &acknowledged {
        assert_eq!(in_the_book.get(id), Some(&answer["transaction"]), "{id} was acknowledged");
        let again = script.write("reseller-api", "transfer", &body(id)).await.ok();
        assert_eq!(&again, answer, "{id} again");
    }
    assert_eq!(listed(&script).await.len(), in_the_book.len(), "what comes again moves nothing");
    assert!(in_the_book.len() <= begun, "nothing is there that nobody asked for");
    let each = money("0.25").nanos() * i64::try_from(in_the_book.len()).unwrap();
    let after = before.checked_add(Money::from_nanos(each)).unwrap();
    assert_eq!(program.shown("alice", "balance"), after.to_string());
    assert!(serving.stop().success());
    program.assert_audit();
    assert_eq!(program.shown("alice", "balance"), after.to_string());
});
