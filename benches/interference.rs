//! Calls beside floods of requests: a server process with a deck of 300,000 prefixes is asked to authorise at a fixed rate
//! over FastAGI, alone and while its HTTP APIs are flooded.
//!
//! `cargo bench --bench interference [-- PHASE…]`; another program than the one just built with `TOLLGATE_BENCH_PROGRAM=PATH`.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tollgate_agi::client::Call;

/// Prefixes of the deck.
const PREFIXES: u32 = 300_000;
/// Calls a second.
const RATE: u32 = 50;
/// How long each flood lasts.
const PHASE: Duration = Duration::from_secs(10);
/// Connections that flood, one request at a time on each.
const CONNECTIONS: usize = 900;
/// A call that was not answered within this time counts as having taken it.
const PATIENCE: Duration = Duration::from_secs(30);
/// Niceness of the flood's threads.
const FLOOD_NICENESS: i32 = 10;
/// Clients of the reseller that floods.
const CLIENTS: usize = 200;

/// A request that a flood repeats.
const FLOODS: [(&str, &str); 5] = [
    ("nothing", ""),
    ("searches", "GET /reseller-api/index.php?endpoint=client-rates&login=c0&limit=200&q=area%2077"),
    ("lists", "GET /reseller-api/index.php?endpoint=clients&limit=200"),
    ("balances", "GET /reseller-api/index.php?endpoint=me"),
    ("transfers", "POST /reseller-api/index.php?endpoint=transfer"),
];

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let only: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let dir = tempfile::tempdir_in("/var/tmp").unwrap();
    let house = House::open(dir.path());
    let serving = house.serve();
    for (name, line) in
        FLOODS.into_iter().filter(|(name, _)| only.is_empty() || only.iter().any(|it| it == name))
    {
        let measured = measure(&serving, &house.key, line);
        report(name, measured);
    }
}

/// Figures of one phase.
struct Measured {
    latencies: Vec<Duration>,
    refused: usize,
    answered: usize,
    other: usize,
}

#[expect(clippy::print_stdout, reason = "the measurements are what the program is for")]
fn report(name: &str, mut measured: Measured) {
    measured.latencies.sort_unstable();
    let at = |percent: usize| {
        let place = (measured.latencies.len() * percent / 100).min(measured.latencies.len() - 1);
        measured.latencies[place].as_micros()
    };
    println!(
        "bench: authorise_beside_{name} calls={} refused={} p50_us={} p99_us={} max_us={} http_200={} http_other={}",
        measured.latencies.len(),
        measured.refused,
        at(50),
        at(99),
        at(100),
        measured.answered,
        measured.other,
    );
}

/// Measures calls while `line` floods the server. The flood has threads of its own at a low priority, as if it came from
/// another machine: what is measured is the server, not this driver.
fn measure(serving: &Serving, key: &str, line: &str) -> Measured {
    let over = Arc::new(AtomicBool::new(false));
    let answers = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let connections = if line.is_empty() { 0 } else { CONNECTIONS };
    let floods = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .on_thread_start(|| {
            let thread = rustix::thread::gettid();
            rustix::process::setpriority_process(Some(thread), FLOOD_NICENESS).unwrap();
        })
        .enable_all()
        .build()
        .unwrap();
    for _ in 0..connections {
        let (over, answers) = (Arc::clone(&over), Arc::clone(&answers));
        let (http, key, line) = (serving.http, key.to_owned(), line.to_owned());
        floods.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let _ = flood(http, &key, &line, &over, &answers).await;
            }
        });
    }
    let caller = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (latencies, refused) = caller.block_on(call_for(PHASE, serving.fastagi));
    over.store(true, Ordering::Relaxed);
    floods.shutdown_timeout(Duration::from_secs(1));
    let [answered, other] = [0, 1].map(|at: usize| answers[at].load(Ordering::Relaxed));
    Measured { latencies, refused, answered, other }
}

/// Calls at the rate for this long, and counts the refused ones.
async fn call_for(phase: Duration, fastagi: SocketAddr) -> (Vec<Duration>, usize) {
    // Until every connection of the flood has asked.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut every = tokio::time::interval(Duration::from_secs(1) / RATE);
    let begun = Instant::now();
    let mut calls = Vec::new();
    while begun.elapsed() < phase {
        every.tick().await;
        calls.push(tokio::spawn(authorise(fastagi)));
    }
    let (mut latencies, mut refused) = (Vec::new(), 0);
    for call in calls {
        let (latency, allowed) = call.await.unwrap();
        latencies.push(latency);
        refused += usize::from(!allowed);
    }
    (latencies, refused)
}

/// How long a call waited for its word, and whether that was yes.
async fn authorise(fastagi: SocketAddr) -> (Duration, bool) {
    static CHANNELS: AtomicUsize = AtomicUsize::new(1);
    let unique_id = format!("pbx1-1700000000.{}", CHANNELS.fetch_add(1, Ordering::Relaxed));
    let call = Call::new("agi://127.0.0.1/authorize").unique_id(&unique_id).deadline(PATIENCE).args([
        "caller",
        "4910012345678",
        "",
        "pbx1",
        "192.0.2.7:5060",
        "1",
        "",
    ]);
    let begun = Instant::now();
    let outcome = call.run(fastagi).await;
    let allowed = outcome.is_ok_and(|outcome| outcome.variable("TG_STATUS") == Some("ALLOW"));
    (begun.elapsed(), allowed)
}

/// Asks on one connection until the phase is over.
async fn flood(
    http: SocketAddr,
    key: &str,
    line: &str,
    over: &AtomicBool,
    answers: &[AtomicUsize; 2],
) -> std::io::Result<()> {
    static ORDERS: AtomicUsize = AtomicUsize::new(1);
    let mut stream = TcpStream::connect(http).await?;
    let mut inbox = vec![0; 64 * 1024];
    while !over.load(Ordering::Relaxed) {
        let head = format!("{line} HTTP/1.1\r\nHost: bench\r\nX-API-Key: {key}\r\n");
        let request = if line.starts_with("POST") {
            let order = ORDERS.fetch_add(1, Ordering::Relaxed);
            let body = format!(r#"{{"login":"c0","amount":"0.01","external_id":"ORDER-{order}"}}"#);
            format!("{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        } else {
            format!("{head}\r\n")
        };
        stream.write_all(request.as_bytes()).await?;
        let mut read = 0;
        loop {
            let more = stream.read(&mut inbox[read..]).await?;
            if more == 0 {
                return Ok(());
            }
            read += more;
            let text = String::from_utf8_lossy(&inbox[..read]);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() < length.and_then(|length| length.parse().ok()).unwrap_or(0) {
                if read == inbox.len() {
                    inbox.resize(2 * read, 0);
                }
                continue;
            }
            let at = usize::from(!head.starts_with("HTTP/1.1 200"));
            answers[at].fetch_add(1, Ordering::Relaxed);
            break;
        }
    }
    Ok(())
}

/// A database, and the program on it.
struct House {
    program: PathBuf,
    config: PathBuf,
    key: String,
}

impl House {
    fn open(dir: &Path) -> Self {
        let program = std::env::var_os("TOLLGATE_BENCH_PROGRAM")
            .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_tollgate")), PathBuf::from);
        let path = |name: &str| dir.join(name).display().to_string();
        let text = format!(
            "[database]\nurl = \"sqlite://{}\"\n[secrets]\nkey_file = \"{}\"\n[ledger]\nspool_dir = \"{}\"\n\
             [fastagi]\nlisten = \"127.0.0.1:0\"\n[internal]\nlisten = \"127.0.0.1:0\"\n\
             [http]\nlisten = \"127.0.0.1:0\"\nkey_requests_per_minute = 4000000\n\
             [limits]\nchanges_per_minute = 4000000\n[log]\njson = true\n",
            path("bench.db"),
            path("bench.key"),
            path("bench.spool"),
        );
        let config = dir.join("tollgate.toml");
        std::fs::write(&config, text).unwrap();
        let mut house = Self { program, config, key: String::new() };
        let (mut sold, mut bought) =
            ["prefix,destination,price_per_minute\n"; 2].map(ToOwned::to_owned).into();
        for number in 0..PREFIXES {
            // Six digits behind a country's.
            writeln!(sold, "49{:06},Germany area {},0.05", 100_000 + number, number / 100).unwrap();
        }
        bought.push_str("49,Germany,0.01\n");
        for (name, deck) in [("sold", &sold), ("bought", &bought)] {
            let file = dir.join(format!("{name}.csv"));
            std::fs::write(&file, deck).unwrap();
            house.run(&["tariff", "import", name, file.to_str().unwrap()]);
        }
        for line in [
            "plan create wholesale --tariff sold",
            "plan create retail --base wholesale --markup 20",
            "trunk create carrier --endpoint carrier --tariff bought",
            "reseller create acme --plan wholesale",
            "client create caller --reseller acme --plan retail",
            "credit acme 1000000 --reference first",
            "credit caller 1000000 --reference first",
        ] {
            house.run(&line.split(' ').collect::<Vec<_>>());
        }
        let serving = house.serve();
        for client in 0..CLIENTS {
            house.run(&["client", "create", &format!("c{client}"), "--reseller", "acme", "--plan", "retail"]);
        }
        let created = house.run(&["key", "create", "acme"]);
        created["key"].as_str().unwrap().clone_into(&mut house.key);
        drop(serving);
        house
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(&self.config).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Value {
        let output = self.command().arg("--json").args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn serve(&self) -> Serving {
        let mut command = self.command();
        let mut child = command.arg("serve").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let serving = lines.find_map(|line| {
            let fields = serde_json::from_str::<Value>(&line).ok()?["fields"].clone();
            (fields["message"] == "serving").then_some(fields)
        });
        let serving = serving.unwrap();
        let address = |key: &str| serving[key].as_str().unwrap().parse().unwrap();
        let (fastagi, http) = (address("fastagi.address"), address("http.address"));
        std::thread::spawn(move || lines.for_each(drop));
        Serving { child, fastagi, http }
    }
}

/// A server. Dropping it tells it to stop, and waits until it has.
struct Serving {
    child: Child,
    fastagi: SocketAddr,
    http: SocketAddr,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap();
    }
}
