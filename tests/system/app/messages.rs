//! Messages: a gateway that remembers what it was given, and what is in the book about them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::routing::{get, post};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tollgate::secrets::random_below;
use tollgate::store::{Session as _, Side, Store};

/// What a gateway does and has seen.
#[derive(Debug, Default)]
struct Seen {
    /// Number and reference of every message, in the order they came.
    given: Mutex<Vec<(String, String)>>,
    /// It answers after so many milliseconds at most.
    slow_ms: AtomicU64,
}

/// A gateway of seven.io's kind, with a journal.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    pub(crate) at: SocketAddr,
    seen: Arc<Seen>,
}

impl Gateway {
    pub(crate) async fn start() -> Self {
        let seen = Arc::new(Seen::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let routes = Router::new()
            .route("/sms", post(take))
            .route("/journal/outbound", get(journal))
            .with_state(Arc::clone(&seen));
        tokio::spawn(axum::serve(listener, routes).into_future());
        Self { at, seen }
    }

    /// Answers come after so many milliseconds at most.
    pub(crate) fn slow(&self, ms: u64) {
        self.seen.slow_ms.store(ms, Ordering::SeqCst);
    }

    /// How many messages it was given.
    pub(crate) fn count(&self) -> usize {
        self.seen.given.lock().unwrap().len()
    }

    /// How often it was given a message to each number.
    pub(crate) fn given(&self) -> BTreeMap<String, usize> {
        let mut numbers = BTreeMap::new();
        for (to, _) in self.seen.given.lock().unwrap().iter() {
            *numbers.entry(to.clone()).or_insert(0) += 1;
        }
        numbers
    }

    /// The section of the configuration that leads to it.
    pub(crate) fn section(&self, rate_per_second: u32) -> String {
        format!(
            "\n[[sms.provider]]\nname = \"gateway\"\nkind = \"http\"\nurl = \"http://{}\"\napi_key = \"secret\"\nrate_per_second = {rate_per_second}\n",
            self.at
        )
    }
}

fn field(form: &str, name: &str) -> String {
    let found = form_urlencoded::parse(form.as_bytes()).find(|(key, _)| key == name);
    found.map(|(_, value)| value.into_owned()).unwrap_or_default()
}

async fn take(State(seen): State<Arc<Seen>>, form: String) -> String {
    let number = {
        let mut given = seen.given.lock().unwrap();
        given.push((field(&form, "to"), field(&form, "foreign_id")));
        given.len()
    };
    let slow = seen.slow_ms.load(Ordering::SeqCst);
    if slow > 0 {
        tokio::time::sleep(Duration::from_millis(random_below(slow + 1))).await;
    }
    let message = json!({"id": format!("7{number}"), "price": 0.075, "success": true, "error": null});
    json!({"success": "100", "total_price": 0.075, "messages": [message]}).to_string()
}

async fn journal(State(seen): State<Arc<Seen>>, RawQuery(query): RawQuery) -> String {
    let to = field(&query.unwrap_or_default(), "to");
    let given = seen.given.lock().unwrap();
    let rows = (1..).zip(given.iter()).filter(|(_, (number, _))| *number == to);
    let rows: Vec<Value> = rows
        .map(|(id, (to, reference))| json!({"id": format!("7{id}"), "to": to, "foreign_id": reference, "price": "0.075"}))
        .collect();
    Value::from(rows).to_string()
}

/// A number of its own for each message: none that a simulator makes an exception of.
pub(crate) fn number(n: usize) -> String {
    format!("49151{:04}{:04}", n / 9_000, 1_000 + n % 9_000)
}

/// Asks over a connection that may die: the answer, if one came whole.
pub(crate) async fn ask(at: SocketAddr, key: &str, endpoint: &str, body: &Value) -> Option<(u16, Value)> {
    let stream = TcpStream::connect(at).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    let driver = tokio::spawn(connection);
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("/sms-api/index.php?endpoint={endpoint}"))
        .header(HOST, "tollgate")
        .header("X-API-Key", key)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .unwrap();
    let asked = async {
        let response = sender.send_request(request).await.ok()?;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.ok()?.to_bytes();
        Some((status, serde_json::from_slice(&bytes).ok()?))
    };
    let answer = asked.await;
    driver.abort();
    answer
}

/// A message as it is in the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) id: i64,
    pub(crate) campaign_id: Option<i64>,
    pub(crate) phone: String,
    pub(crate) state: String,
    pub(crate) is_charged: bool,
    pub(crate) charge: i64,
}

impl Kept {
    /// Whether nothing becomes of it any more but what a receipt says.
    pub(crate) fn is_over(&self) -> bool {
        !["SCHEDULED", "QUEUED", "SENDING"].contains(&self.state.as_str())
    }
}

const KEPT: &str = "SELECT id, campaign_id, phone, state, tx_id, charge_1 FROM sms_messages ORDER BY id";
const HELD: &str = "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM held_credit";
const CHARGED: &str =
    "SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT DISTINCT tx_id FROM entries WHERE kind = 'sms') AS charged";

/// Every message of the book.
pub(crate) async fn kept(store: &Store) -> Vec<Kept> {
    type Row = (i64, Option<i64>, String, String, Option<i64>, i64);
    let mut reader = store.reader().await.unwrap();
    let rows: Vec<Row> = match reader.side() {
        Side::Sqlite(c) => sqlx::query_as(KEPT).fetch_all(c).await,
        Side::Postgres(c) => sqlx::query_as(KEPT).fetch_all(c).await,
    }
    .unwrap();
    let kept = |(id, campaign_id, phone, state, tx_id, charge): Row| Kept {
        id,
        campaign_id,
        phone,
        state,
        is_charged: tx_id.is_some(),
        charge,
    };
    rows.into_iter().map(kept).collect()
}

/// All that is set aside, of everybody.
pub(crate) async fn held(store: &Store) -> i64 {
    super::book::number(store, HELD).await
}

/// How many messages the ledger has charged.
pub(crate) async fn charged(store: &Store) -> i64 {
    super::book::number(store, CHARGED).await
}

/// Waits until every message is at its end, and gives all of them.
pub(crate) async fn until_over(store: &Store, patience: Duration) -> Vec<Kept> {
    let until = tokio::time::Instant::now() + patience;
    loop {
        let kept = kept(store).await;
        let open = kept.iter().filter(|message| !message.is_over()).count();
        if open == 0 {
            return kept;
        }
        assert!(tokio::time::Instant::now() < until, "{open} messages of {} still wait", kept.len());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// How what the upstream was given and what was charged agree.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// Given, and charged as sent.
    pub(crate) sent: usize,
    /// Given, and charged without knowing.
    pub(crate) unknown_given: usize,
    /// Not given, and charged without knowing.
    pub(crate) unknown_not_given: usize,
    /// Neither given nor charged.
    pub(crate) free: usize,
}

/// Nothing was given twice, all that was given is charged, and nothing else but what is not known.
pub(crate) fn judge(kept: &[Kept], given: &BTreeMap<String, usize>) -> Judged {
    let mut judged = Judged::default();
    let mut phones = BTreeMap::new();
    for message in kept {
        assert!(phones.insert(&message.phone, message).is_none(), "two messages to one: {message:?}");
        let times = given.get(&message.phone).copied().unwrap_or(0);
        assert!(times <= 1, "given {times} times: {message:?}");
        match (times == 1, message.is_charged, message.state.as_str()) {
            (true, true, "UNKNOWN") => judged.unknown_given += 1,
            (false, true, "UNKNOWN") => judged.unknown_not_given += 1,
            (true, true, _) => judged.sent += 1,
            (false, false, _) => judged.free += 1,
            _ => panic!("given {times} times: {message:?}"),
        }
    }
    for number in given.keys() {
        assert!(phones.contains_key(number), "{number} was given a message that is not in the book");
    }
    judged
}
