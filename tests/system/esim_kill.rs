//! The server is killed again and again while eSIMs are bought; the upstream's own record is the judge.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::app::database::on_both;
use crate::app::esim::{CLIENT_PRICE, PACKAGE, RESELLER_PRICE, SimulatorProcess, tell};
use crate::app::house::money;
use crate::app::http::Script;
use crate::app::program::Program;

/// Kills.
const ROUNDS: usize = 6;
/// Purchases of a round, two at a time.
const PER_ROUND: usize = 6;
/// How long the last server has to complete everything.
const PATIENCE: Duration = Duration::from_secs(90);

/// Buys over a connection that may die under it: the order if the answer came whole.
async fn buy(script: &Script) -> Option<Value> {
    let stream = TcpStream::connect(script.at).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let request = Request::builder()
        .method(Method::POST)
        .uri("/esim-api/index.php?endpoint=buy")
        .header(HOST, "tollgate")
        .header("X-API-Key", script.key.as_deref().unwrap())
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(json!({ "package_code": PACKAGE }).to_string())))
        .unwrap();
    let response = sender.send_request(request).await.ok()?;
    let status = response.status();
    let bytes = response.into_body().collect().await.ok()?.to_bytes();
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&bytes));
    Some(serde_json::from_slice::<Value>(&bytes).unwrap()["order"].clone())
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("{name} of {value}")).to_owned()
}

on_both!(each_esim_is_bought_once_and_paid_once_or_neither_however_often_the_server_is_killed, database => {
    let program = Program::on(database);
    program.furnish();
    let record = program.database.files.path().join("upstream.jsonl");
    let simulator = SimulatorProcess::start(&record, 400);
    let mut config = std::fs::read_to_string(&program.config).unwrap();
    config.push_str(&format!("\n[esim]\nkind = \"esimaccess\"\nurl = \"{}\"\naccess_code = \"x\"\n", simulator.url));
    std::fs::write(&program.config, config).unwrap();
    program.ok_line("fx set USD EUR 0.9215");
    program.ok(&["esim", "sync"]);
    let key = program.ok(&["key", "create", "alice"])["key"].as_str().map(str::to_owned);
    let (mut acknowledged, mut begun) = (BTreeSet::new(), 0);
    for round in 0..ROUNDS {
        // Every other round: what a killed server did not meet is left for the last one, which waits longer after each.
        let met = round % 2;
        for (on, fault) in [
            ("esim/order", "lost_answer"),
            ("esim/order", "server_error_after"),
            ("esim/query", "malformed"),
            ("esim/order", "no_stock"),
            ("esim/order", "busy"),
        ] {
            tell(simulator.at, "fault", &json!({ "on": on, "fault": fault, "times": met })).await;
        }
        let serving = program.serve();
        let script = Script { at: serving.http, key: key.clone() };
        let answered = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&answered);
        let buying = tokio::spawn(async move {
            let mut got = Vec::new();
            for _ in 0..PER_ROUND / 2 {
                got.extend(futures::future::join_all([buy(&script), buy(&script)]).await);
                counted.store(got.len(), Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(60)).await;
            }
            got
        });
        // Before the first is through, among them, and while the upstream allocates; however slow the machine is.
        while answered.load(Ordering::SeqCst) < 2 * (round % 3) {
            assert!(!buying.is_finished() || answered.load(Ordering::SeqCst) > 0, "nobody is refused");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::time::sleep(Duration::from_millis(15 + 60 * u64::try_from(round).unwrap())).await;
        serving.kill();
        let got = buying.await.unwrap();
        begun += got.len();
        acknowledged.extend(got.into_iter().flatten().map(|order| order["order_id"].as_i64().unwrap()));
    }
    let serving = program.serve();
    let until = tokio::time::Instant::now() + PATIENCE;
    while program.ok(&["esim", "orders", "--status", "PENDING"])["orders"] != json!([]) {
        assert!(tokio::time::Instant::now() < until, "{}", program.ok(&["esim", "orders"]));
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let orders = program.ok(&["esim", "orders"])["orders"].as_array().unwrap().clone();
    let ids: BTreeSet<i64> = orders.iter().map(|order| order["order_id"].as_i64().unwrap()).collect();
    assert!(acknowledged.is_subset(&ids), "what was acknowledged is there");
    assert!(acknowledged.len() >= 4 && orders.len() <= begun, "{} of {begun}", acknowledged.len());

    let mut bought = BTreeMap::new();
    for line in std::fs::read_to_string(&record).unwrap().lines() {
        let order: Value = serde_json::from_str(line).unwrap();
        let name = text(&order, "transaction_id");
        assert!(bought.insert(name, text(&order, "order_no")).is_none(), "one name is one order");
    }
    let mut paid = 0;
    for order in &orders {
        let upstream = bought.remove(&text(order, "transaction_id"));
        match order["status"].as_str().unwrap() {
            "ALLOCATED" => {
                assert_eq!(upstream, Some(text(order, "order_no")), "what is paid was bought");
                paid += 1;
            }
            "FAILED" => assert_eq!(upstream, None, "what was refused was not bought: {order}"),
            other => panic!("{other}: {order}"),
        }
    }
    assert!(bought.is_empty(), "bought, and of no order: {bought:?}");
    assert!(paid >= 3, "{orders:#?}");
    let left = |price: &str| {
        let spent = (0..paid).fold(money("0"), |sum, _| sum.checked_add(money(price)).unwrap());
        money("100").checked_sub(spent).unwrap().to_string()
    };
    for (login, price) in [("alice", CLIENT_PRICE), ("acme", RESELLER_PRICE)] {
        assert_eq!(program.shown(login, "balance"), left(price), "{login}");
        assert_eq!(program.shown(login, "held"), "0", "{login}");
    }
    assert!(serving.stop().success());
    program.assert_audit();
    assert_eq!(program.shown("alice", "balance"), left(CLIENT_PRICE));
});
