//! The metrics of a running server: `docs/operations.md` lists each of them, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use tollgate::config::Config;

use crate::app::TestApp;
use crate::app::decks::BERLIN;

/// The text and the content type of `/metrics`.
async fn scrape(app: &TestApp) -> (String, String) {
    let stream = TcpStream::connect(app.internal).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let driver = tokio::spawn(connection);
    let token = app.services.metrics_tokens().pop().unwrap();
    let request = Request::builder()
        .uri("/metrics")
        .header("host", "tollgate")
        .header("authorization", format!("Bearer {token}"))
        .body(Empty::<Bytes>::new())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    driver.abort();
    (String::from_utf8(body.to_vec()).unwrap(), content_type)
}

/// The names of the metrics in a text, each with the names of its labels where it has a sample.
fn exported(text: &str) -> BTreeMap<String, Option<Vec<String>>> {
    let mut metrics = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        let name = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
        let labels = text.lines().find_map(|sample| {
            let rest = sample.strip_prefix(&name)?;
            match rest.strip_prefix('{') {
                Some(labels) => {
                    let labels = labels.rsplit_once('}').unwrap().0;
                    Some(labels.split(',').map(|label| label.split_once('=').unwrap().0.to_owned()).collect())
                }
                None => rest.starts_with(' ').then(Vec::new),
            }
        });
        assert!(metrics.insert(name.clone(), labels).is_none(), "{name} is exported twice");
    }
    metrics
}

/// The metrics that the document lists, with their labels: the rows of its tables that begin with one.
fn documented() -> BTreeMap<String, Vec<String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let text = std::fs::read_to_string(page).unwrap();
    let mut metrics = BTreeMap::new();
    for row in text.lines().filter_map(|line| line.strip_prefix("| `tollgate_")) {
        let (name, rest) = row.split_once('`').unwrap();
        let (name, labels) = name.split_once('{').unwrap_or((name, ""));
        let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
        let meaning = rest.trim_matches(['|', ' ']);
        assert!(!meaning.is_empty(), "tollgate_{name} has no meaning");
        let labels = labels.map(str::to_owned).collect();
        assert!(
            metrics.insert(format!("tollgate_{name}"), labels).is_none(),
            "tollgate_{name} is listed twice"
        );
    }
    metrics
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_exported_metric_is_documented_and_every_documented_metric_is_exported() {
    // A link and a provider, so that their metrics have samples. Nobody listens at the link's address.
    let text = "[[asterisk]]\nname = 'pbx1'\nhost = '127.0.0.1'\nport = 9\nusername = 'u'\nsecret = 's'\n\
                [[sms.provider]]\nname = 'p'\nkind = 'simulator'\n";
    let parts = Config::from_text(text, []).unwrap();
    let app = TestApp::start_with(|config| {
        config.asterisk = parts.asterisk;
        config.sms = parts.sms;
    })
    .await;
    let (text, content_type) = scrape(&app).await;
    assert!(content_type.starts_with("application/openmetrics-text"), "{content_type}");
    assert!(text.ends_with("# EOF\n"), "{text}");
    let (exported, documented) = (exported(&text), documented());
    let names = |metrics: Vec<&String>| metrics.into_iter().cloned().collect::<BTreeSet<_>>();
    let (in_server, in_document) = (names(exported.keys().collect()), names(documented.keys().collect()));
    assert_eq!(in_server.difference(&in_document).collect::<Vec<_>>(), [""; 0], "exported, not documented");
    assert_eq!(in_document.difference(&in_server).collect::<Vec<_>>(), [""; 0], "documented, not exported");
    for (name, labels) in exported {
        if let Some(labels) = labels {
            assert_eq!(labels, documented[&name], "the labels of {name}");
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_counts_settlements_and_refused_calls() {
    let app = TestApp::start().await;
    app.furnish().await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    app.talk(&granted, 60_000).await;
    assert_eq!(app.dial("nobody", BERLIN).await.reason(), "unknown_peer");
    app.flush().await;
    let (text, _) = scrape(&app).await;
    for sample in [
        "tollgate_ledger_settlements_total 1",
        "tollgate_ledger_refusals_recorded_total 1",
        "tollgate_ledger_openings_dropped_total 0",
        "tollgate_ledger_refused_rows_total 0",
        "tollgate_ledger_unavailable_total 0",
        "tollgate_calls_settled_total 1",
        "tollgate_calls_denied_total{reason=\"unknown_peer\"} 1",
        "tollgate_authorize_us_count 2",
        "tollgate_authorize_us_bucket{le=\"+Inf\"} 2",
    ] {
        assert!(text.lines().any(|line| line == sample), "{sample}: {text}");
    }
    app.stop().await;
}
