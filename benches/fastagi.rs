//! Authorising over TCP, a connection a call as Asterisk does it, beside a bare tokio server that reads the same bytes
//! and writes the same bytes: what of a call's time is the network's and what is Tollgate's.
//!
//! `cargo bench --bench fastagi`

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

mod house;

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use house::{House, ratio};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tollgate::ledger::CallKey;
use tollgate_agi::transcript::{Speaker, Transcript};
use tollgate_agi::{AllowList, Limits, Server};

/// What Asterisk said when its dialplan asked for permission to call.
const RECORDED: &str = include_str!("../agi/tests/transcripts/asterisk-22.10.1-authorize.txt");
/// Connections open at once.
const CONNECTIONS: usize = 16;
/// Each server's turns.
const TURNS: usize = 16;
/// How long a turn lasts.
const TURN: Duration = Duration::from_millis(400);
/// Distinct calls that are asked for.
const NUMBERS: usize = 1 << 13;
/// The share of the bare server's calls a second that is aimed at, in hundredths.
const TARGET: &str = "0.80";

fn main() {
    if !house::is_asked_to_measure() {
        return;
    }
    log_to_nowhere();
    // As `tollgate serve`: a worker a core.
    let servers = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let driver = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let house = servers.block_on(House::open(NUMBERS));
    let asterisk = Arc::new(Asterisk::new(&house));

    let tollgate = servers.block_on(serve_tollgate(&house));
    let answer = driver.block_on(asterisk.call(tollgate, 0)).said;
    assert!(answer.len() == 2 && answer[0].contains("TG_STATUS=ALLOW"), "a call is granted: {answer:?}");
    servers.block_on(house.void_all(&[key(0)]));
    let bare = servers.block_on(serve_bare(answer));

    let (mut of_tollgate, mut of_bare) = (Turns::default(), Turns::default());
    let mut next = 1;
    for _ in 0..TURNS {
        of_bare.take(&driver, &asterisk, bare, &mut next);
        let first = next;
        of_tollgate.take(&driver, &asterisk, tollgate, &mut next);
        assert!(house.calls.open_calls() == next - first, "every call was granted");
        let keys: Vec<CallKey> = (first..next).map(key).collect();
        servers.block_on(house.void_all(&keys));
        assert!(house.calls.open_calls() == 0, "no call is left");
    }
    report(&of_tollgate, &of_bare);
    servers.block_on(house.close());
}

#[expect(clippy::print_stdout, reason = "the measurements are what the program is for")]
fn report(tollgate: &Turns, bare: &Turns) {
    for (name, turns) in [("fastagi_authorise", tollgate), ("fastagi_bare_server", bare)] {
        let [p50, p99] = turns.percentiles();
        println!(
            "bench: {name} calls_per_second={} p50_us={p50} p99_us={p99} cpu_us={}",
            turns.best(),
            turns.cpu_us()
        );
    }
    let (best, middle) = (ratio(tollgate.best(), bare.best()), ratio(tollgate.median(), bare.median()));
    let cpu = ratio(bare.cpu_us(), tollgate.cpu_us());
    println!(
        "bench: fastagi_beside_bare ratio={best} median_ratio={middle} cpu_ratio={cpu} target_ratio={TARGET}"
    );
}

/// A log line a call is written as in service, into nothing.
fn log_to_nowhere() {
    let nowhere = OpenOptions::new().write(true).open("/dev/null").unwrap();
    tracing_subscriber::fmt()
        .with_env_filter("info")
        .with_ansi(false)
        .with_writer(Mutex::new(nowhere))
        .init();
}

/// The service's FastAGI server.
async fn serve_tollgate(house: &House) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let calls = Arc::clone(&house.calls);
    let handler = move |session| tollgate::calls::agi::handle(Arc::clone(&calls), session);
    let server = Server::new(Limits::default(), AllowList::loopback());
    tokio::spawn(server.serve(listener, handler, std::future::pending()));
    address
}

/// A server that says the same to everybody: reads an environment, writes a command, reads a line, and so on.
async fn serve_bare(said: Vec<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let said: Arc<[String]> = said.into();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, Arc::clone(&said)));
        }
    });
    address
}

async fn converse(mut stream: TcpStream, said: Arc<[String]>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut inbox = Vec::with_capacity(4 * 1024);
    while !inbox.ends_with(b"\n\n") {
        if stream.read_buf(&mut inbox).await? == 0 {
            return Ok(());
        }
    }
    for command in said.iter() {
        stream.write_all(command.as_bytes()).await?;
        inbox.clear();
        while !inbox.ends_with(b"\n") {
            if stream.read_buf(&mut inbox).await? == 0 {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Plays the recorded Asterisk with other callers and numbers.
struct Asterisk {
    lines: Vec<String>,
    clients: Vec<String>,
    numbers: Vec<String>,
}

/// One call's conversation.
struct Spoken {
    took: Duration,
    /// What the server said, line by line, newlines included.
    said: Vec<String>,
}

impl Asterisk {
    fn new(house: &House) -> Self {
        let recorded: Transcript = RECORDED.parse().unwrap();
        let environment = recorded.said_by(Speaker::Asterisk).take_while(|line| !line.is_empty());
        let lines: Vec<String> = environment.map(str::to_owned).collect();
        assert!(lines.len() > 22, "the transcript begins with an environment");
        let numbers = house.numbers.iter().map(ToString::to_string).collect();
        Self { lines, clients: house.clients.clone(), numbers }
    }

    /// The environment as it was recorded, with this call's names in it.
    fn environment(&self, call: usize) -> String {
        let (client, number) =
            (&self.clients[call % self.clients.len()], &self.numbers[call % self.numbers.len()]);
        let mut text = String::with_capacity(1024);
        for line in &self.lines {
            let Some((key, recorded)) = line.split_once(": ") else {
                let _ = writeln!(text, "{line}");
                continue;
            };
            let _ = match key {
                "agi_channel" => writeln!(text, "{key}: PJSIP/{client}-{call:08x}"),
                "agi_uniqueid" => writeln!(text, "{key}: {}", unique_id(call)),
                "agi_callerid" | "agi_arg_1" | "agi_arg_3" => writeln!(text, "{key}: {client}"),
                "agi_dnid" | "agi_extension" | "agi_arg_2" => writeln!(text, "{key}: {number}"),
                _ => writeln!(text, "{key}: {recorded}"),
            };
        }
        text.push('\n');
        text
    }

    /// One connection from its begin to its end: the environment, a reply to each command, and the line that
    /// Asterisk leaves with.
    async fn call(&self, server: SocketAddr, call: usize) -> Spoken {
        let environment = self.environment(call);
        let begin = Instant::now();
        let mut stream = TcpStream::connect(server).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(environment.as_bytes()).await.unwrap();
        let mut said = Vec::with_capacity(2);
        let mut inbox = Vec::with_capacity(1024);
        loop {
            let read = stream.read_buf(&mut inbox).await.unwrap();
            if read == 0 {
                break;
            }
            if inbox.ends_with(b"\n") {
                let reply: &[u8] =
                    if inbox.starts_with(b"EXEC") { b"200 result=0\n" } else { b"200 result=1\n" };
                stream.write_all(reply).await.unwrap();
                said.push(String::from_utf8(std::mem::take(&mut inbox)).unwrap());
            }
        }
        // The server has gone already; this ends the connection on both sides.
        let _ = stream.write_all(b"HANGUP\n").await;
        Spoken { took: begin.elapsed(), said }
    }

    /// Calls one after the other until the turn is over.
    async fn caller(
        self: Arc<Self>,
        server: SocketAddr,
        until: Instant,
        next: Arc<Mutex<usize>>,
    ) -> Vec<Duration> {
        let mut took = Vec::with_capacity(1024);
        while Instant::now() < until {
            let call = {
                let mut next = next.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                *next += 1;
                *next - 1
            };
            let spoken = self.call(server, call).await;
            assert!(spoken.said.len() == 2, "both commands came");
            took.push(spoken.took);
        }
        took
    }
}

fn key(call: usize) -> CallKey {
    CallKey { server: "rig1".to_owned(), unique_id: unique_id(call), leg: 1 }
}

fn unique_id(call: usize) -> String {
    format!("rig1-1795309592.{call}")
}

/// What a server did in its turns.
#[derive(Default)]
struct Turns {
    calls_per_second: Vec<u64>,
    /// Processor time of the whole program, the driver's included.
    cpu_ms: u64,
    took: Vec<Duration>,
}

impl Turns {
    /// A turn: several callers, each with one call at a time. `next` is the first call's number, then the one after
    /// the last's.
    fn take(&mut self, driver: &Runtime, asterisk: &Arc<Asterisk>, server: SocketAddr, next: &mut usize) {
        let counter = Arc::new(Mutex::new(*next));
        let before = cpu_ms();
        let begin = Instant::now();
        let until = begin + TURN;
        let callers =
            (0..CONNECTIONS).map(|_| Arc::clone(asterisk).caller(server, until, Arc::clone(&counter)));
        let took = driver.block_on(futures::future::join_all(callers)).concat();
        let elapsed = begin.elapsed().as_micros().max(1);
        self.cpu_ms += cpu_ms() - before;
        let calls = u128::try_from(took.len()).unwrap();
        self.calls_per_second.push(u64::try_from(calls * 1_000_000 / elapsed).unwrap());
        self.took.extend(took);
        *next = *counter.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    }

    /// Calls a second in the best turn.
    fn best(&self) -> u64 {
        self.calls_per_second.iter().max().copied().unwrap_or_default()
    }

    /// Calls a second in the middle turn.
    fn median(&self) -> u64 {
        let mut sorted = self.calls_per_second.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }

    /// Processor microseconds a call: what other programs do to the clock, they do not do to this.
    fn cpu_us(&self) -> u64 {
        self.cpu_ms * 1_000 / u64::try_from(self.took.len().max(1)).unwrap()
    }

    /// The microseconds that half of all calls, and all but a hundredth of them, took at most.
    fn percentiles(&self) -> [u128; 2] {
        let mut sorted = self.took.clone();
        sorted.sort_unstable();
        [50, 99].map(|percent| {
            let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
            sorted.get(at).map_or(0, Duration::as_micros)
        })
    }
}

/// Processor time of this process so far, in steps of a clock tick of 10 ms: the 14th and 15th field of the kernel's
/// line, counted behind the name, which may hold blanks.
fn cpu_ms() -> u64 {
    let line = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = line.rsplit_once(") ").unwrap().1.split(' ').skip(11).take(2);
    fields.map(|ticks| ticks.parse::<u64>().unwrap()).sum::<u64>() * 10
}
