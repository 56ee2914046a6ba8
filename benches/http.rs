//! The HTTP API over TCP, connections kept open as a portal keeps them, beside a bare axum handler that answers the same
//! bytes on the same server: what of a request's time is the protocol's and what is Tollgate's.
//!
//! `cargo bench --bench http`

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

#[expect(dead_code, reason = "no calls are made here")]
mod house;

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::{get, post};
use house::{House, ratio};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tollgate::accounts::keys;
use tollgate::api::{Api, server};
use tollgate::esim::Esim;
use tollgate::listen::{Caps, Listener};
use tollgate::messaging::Messaging;

/// Connections open at once, one request at a time on each.
const CONNECTIONS: usize = 16;
/// Each contender's turns.
const TURNS: usize = 16;
/// How long a turn lasts.
const TURN: Duration = Duration::from_millis(300);
/// The share of the bare handler's requests a second that `me` is aimed at, in hundredths.
const TARGET: &str = "0.50";
/// Where both are asked.
const ME: &str = "/client-api/index.php?endpoint=me";
const TRANSFER: &str = "/reseller-api/index.php?endpoint=transfer";

fn main() {
    if !house::is_asked_to_measure() {
        return;
    }
    log_to_nowhere();
    // As `tollgate serve`: a worker a core.
    let servers = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let driver = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let house = servers.block_on(House::open(1));
    let client = house.clients[0].clone();
    let client_key = servers.block_on(keys::create(&house.services, &client, false)).unwrap().key;
    let reseller_key = servers.block_on(keys::create(&house.services, "reseller0", false)).unwrap().key;
    let me = Asked { line: format!("GET {ME}"), key: client_key, login: None };
    let transfer = Asked { line: format!("POST {TRANSFER}"), key: reseller_key, login: Some(client) };

    let tollgate = servers.block_on(serve_tollgate(&house));
    let (me_answer, transfer_answer) =
        driver.block_on(async { (body_of(tollgate, &me).await, body_of(tollgate, &transfer).await) });
    assert!(me_answer.contains("\"success\":true") && transfer_answer.contains("\"status\":\"success\""));
    let bare = servers.block_on(serve_bare(me_answer, transfer_answer));

    let [mut own_me, mut bare_me, mut own_transfer, mut bare_transfer] = [const { Turns::new() }; 4];
    for _ in 0..TURNS {
        bare_me.take(&driver, bare, &me);
        own_me.take(&driver, tollgate, &me);
        bare_transfer.take(&driver, bare, &transfer);
        own_transfer.take(&driver, tollgate, &transfer);
    }
    report("me", &own_me, &bare_me, TARGET);
    report("transfer", &own_transfer, &bare_transfer, "none");
    servers.block_on(house.close());
}

#[expect(clippy::print_stdout, reason = "the measurements are what the program is for")]
fn report(name: &str, own: &Turns, bare: &Turns, target: &str) {
    for (whose, turns) in [("own", own), ("bare", bare)] {
        let [p50, p99] = turns.percentiles();
        println!("bench: http_{name}_{whose} requests_per_second={} p50_us={p50} p99_us={p99}", turns.best());
    }
    let (best, middle) = (ratio(own.best(), bare.best()), ratio(own.median(), bare.median()));
    println!("bench: http_{name}_beside_bare ratio={best} median_ratio={middle} target_ratio={target}");
}

/// A log line a request is written as in service, into nothing.
fn log_to_nowhere() {
    let nowhere = OpenOptions::new().write(true).open("/dev/null").unwrap();
    tracing_subscriber::fmt()
        .with_env_filter("info")
        .with_ansi(false)
        .with_writer(Mutex::new(nowhere))
        .init();
}

/// The service's own HTTP server.
async fn serve_tollgate(house: &House) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let (services, calls) = (Arc::clone(&house.services), Arc::clone(&house.calls));
    let (messaging, sending) = Messaging::start(Arc::clone(&services), &stop).await.unwrap();
    tokio::spawn(sending);
    let esim = Arc::new(Esim::new(Arc::clone(&services)));
    let api = Api::new(services, calls, messaging, esim);
    let http = &house.services.config.http;
    let caps = Caps { connections: http.max_connections, per_address: http.max_connections };
    let listener = Listener::new(listener, server::settings(http, caps));
    tokio::spawn(server::serve(listener, None, api, stop));
    address
}

/// Handlers that say the same to everybody; the one that is posted to reads its body.
async fn serve_bare(me: String, transfer: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let says = |text: String| ([(CONTENT_TYPE, "application/json")], text);
    let router = Router::new()
        .route("/client-api/index.php", get(async move || says(me.clone())))
        .route("/reseller-api/index.php", post(async move |_: Bytes| says(transfer.clone())));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// What is asked: the beginning of the request line, whose key, and for a transfer to whom.
struct Asked {
    line: String,
    key: String,
    login: Option<String>,
}

impl Asked {
    /// The next request's bytes; no transfer has an id of an earlier one.
    fn bytes(&self) -> Vec<u8> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let head = format!("{} HTTP/1.1\r\nHost: tollgate\r\nX-API-Key: {}\r\n", self.line, self.key);
        let Some(login) = &self.login else { return format!("{head}\r\n").into_bytes() };
        let order = NEXT.fetch_add(1, Ordering::Relaxed);
        let body = format!(r#"{{"login":"{login}","amount":"0.01","external_id":"ORDER-{order}"}}"#);
        let length = body.len();
        format!("{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
    }
}

/// Sends a request and reads its answer, head and body; `inbox` is used again and again.
async fn ask(stream: &mut TcpStream, asked: &Asked, inbox: &mut Vec<u8>) -> usize {
    stream.write_all(&asked.bytes()).await.unwrap();
    inbox.clear();
    loop {
        let read = stream.read_buf(inbox).await.unwrap();
        assert!(read > 0, "the connection is kept open");
        let Some(head) = inbox.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&inbox[..head]).unwrap();
        assert!(text.starts_with("HTTP/1.1 200"), "{}", String::from_utf8_lossy(inbox));
        let lengths = text.lines().filter_map(|line| line.split_once(": "));
        let mut length =
            lengths.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).map(|(_, value)| value);
        let whole = head + 4 + length.next_back().unwrap().parse::<usize>().unwrap();
        if inbox.len() >= whole {
            return head + 4;
        }
    }
}

/// One request over a connection of its own: the answer's body.
async fn body_of(server: SocketAddr, asked: &Asked) -> String {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let mut inbox = Vec::new();
    let begin = ask(&mut stream, asked, &mut inbox).await;
    String::from_utf8(inbox[begin..].to_vec()).unwrap()
}

/// Requests one after the other over one connection until the turn is over.
async fn asking(server: SocketAddr, asked: &Asked, until: Instant) -> Vec<Duration> {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut took, mut inbox) = (Vec::with_capacity(4096), Vec::with_capacity(4096));
    while Instant::now() < until {
        let begin = Instant::now();
        ask(&mut stream, asked, &mut inbox).await;
        took.push(begin.elapsed());
    }
    took
}

/// What a contender did in its turns.
struct Turns {
    requests_per_second: Vec<u64>,
    took: Vec<Duration>,
}

impl Turns {
    const fn new() -> Self {
        Self { requests_per_second: Vec::new(), took: Vec::new() }
    }

    fn take(&mut self, driver: &Runtime, server: SocketAddr, asked: &Asked) {
        let begin = Instant::now();
        let askers = (0..CONNECTIONS).map(|_| asking(server, asked, begin + TURN));
        let took = driver.block_on(futures::future::join_all(askers)).concat();
        let elapsed = begin.elapsed().as_micros().max(1);
        let requests = u128::try_from(took.len()).unwrap();
        self.requests_per_second.push(u64::try_from(requests * 1_000_000 / elapsed).unwrap());
        self.took.extend(took);
    }

    /// Requests a second in the best turn.
    fn best(&self) -> u64 {
        self.requests_per_second.iter().max().copied().unwrap_or_default()
    }

    /// Requests a second in the middle turn.
    fn median(&self) -> u64 {
        let mut sorted = self.requests_per_second.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }

    /// The microseconds that half of all requests, and all but a hundredth of them, took at most.
    fn percentiles(&self) -> [u128; 2] {
        let mut sorted = self.took.clone();
        sorted.sort_unstable();
        [50, 99].map(|percent| {
            let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
            sorted.get(at).map_or(0, Duration::as_micros)
        })
    }
}
