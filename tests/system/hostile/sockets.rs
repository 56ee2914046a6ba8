//! An address that opens connections and sends next to nothing, against a process with the usual 1,024 descriptors.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tollgate::app::sockets::raise_limit;
use tollgate_agi::accept::{AcceptCounters, Acceptor};

use crate::app::phone::{Answer, Dial};
use crate::app::program::{Program, Serving};

/// Far beyond what any answer takes here, and short of every limit that could free a connection by itself.
const PATIENCE: Duration = Duration::from_secs(10);
const ATTACKER: [u8; 4] = [127, 0, 0, 1];
const OTHER: [u8; 4] = [127, 0, 0, 2];
const TOKEN: &str = "a token of more than 24 characters";

async fn connect(from: [u8; 4], to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((IpAddr::from(from), 0).into())?;
    timeout(PATIENCE, socket.connect(to)).await?
}

/// As many connections, each having sent these bytes.
async fn hold(count: usize, to: SocketAddr, bytes: &[u8]) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for _ in 0..count {
        let Ok(mut stream) = connect(ATTACKER, to).await else { continue };
        // It may have been closed already.
        let _ = stream.write_all(bytes).await;
        held.push(stream);
    }
    held
}

/// The answer to a GET request from another address than the attacker's.
async fn get(to: SocketAddr, path: &str) -> String {
    let mut stream = connect(OTHER, to).await.expect("the connection is accepted");
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
    read.expect("an answer comes").expect("the answer is whole");
    answer
}

/// Asks for a call. Any answer will do: holds of earlier ones may have used up the credit.
async fn assert_calls_are_answered(serving: &Serving, from: [u8; 4]) {
    let dial = Dial::new("alice", "493012345678");
    let stream = connect(from, serving.fastagi).await.expect("FastAGI accepts");
    let outcome = timeout(PATIENCE, dial.channel().run_on(stream)).await.expect("FastAGI answers").unwrap();
    let answer = Answer::of(&dial, &outcome);
    assert!(!matches!(answer, Answer::Nothing), "{answer:?}");
}

fn serve_with_1024_descriptors(program: &Program) -> Serving {
    program.furnish();
    program.serve_under("ulimit -n 1024", &[("TOLLGATE_INTERNAL__METRICS_TOKEN", TOKEN)])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_sent_requests_of_one_address_stop_neither_calls_nor_other_addresses() {
    assert!(raise_limit() > 4_000, "this test opens more than two thousand connections");
    let program = Program::sqlite();
    let serving = serve_with_1024_descriptors(&program);
    let half = b"GET /client-api/index.php?endpoint=me HTTP/1.1\r\nHost: a\r\nX-A";
    let to_http = hold(1_400, serving.http, half).await;
    assert_calls_are_answered(&serving, ATTACKER).await;
    assert!(get(serving.http, "/").await.starts_with("HTTP/1.1 404 "));
    let to_internal = hold(700, serving.internal, half).await;
    assert!(get(serving.internal, "/health").await.starts_with("HTTP/1.1 200 "));
    assert!(get(serving.http, "/").await.starts_with("HTTP/1.1 404 "));
    assert_calls_are_answered(&serving, ATTACKER).await;

    let metrics = get(serving.internal, "/metrics").await;
    let value = |name: &str| {
        let line =
            metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{metrics}"));
        line.trim().parse::<u64>().unwrap()
    };
    for listener in ["fastagi", "internal", "http"] {
        assert_eq!(value(&format!("tollgate_accept_errors_total{{listener=\"{listener}\"}}")), 0);
    }
    assert!(value("tollgate_connections_evicted_total{listener=\"http\"}") > 1_000);
    assert!(value("tollgate_connections_evicted_total{listener=\"internal\"}") > 500);
    let caps: u64 = ["fastagi", "internal", "http"]
        .iter()
        .map(|listener| value(&format!("tollgate_connections_limit{{listener=\"{listener}\"}}")))
        .sum();
    assert!(caps < 900, "caps of {caps} leave no reserve of 1,024 descriptors");
    drop((to_http, to_internal));
    assert_eq!(serving.stop().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_connections_of_one_asterisk_leave_fastagi_to_another() {
    assert!(raise_limit() > 4_000, "this test opens more than a thousand connections");
    let program = Program::sqlite();
    let serving = serve_with_1024_descriptors(&program);
    // The other's call is made while they are there: they are cut after half a second.
    let flood = tokio::spawn({
        let fastagi = serving.fastagi;
        async move { hold(1_400, fastagi, b"agi_network: yes\n").await }
    });
    for _ in 0..10 {
        assert_calls_are_answered(&serving, OTHER).await;
    }
    let mut held = flood.await.unwrap();
    for stream in &mut held {
        let mut rest = Vec::new();
        // Cut or refused, in order or by a reset: never left waiting.
        let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("it is closed");
    }
    assert_calls_are_answered(&serving, ATTACKER).await;
    assert_eq!(serving.stop().code(), Some(0));
}

#[tokio::test]
async fn addresses_that_are_not_allowed_are_closed_before_they_say_anything() {
    let program = Program::sqlite();
    let only_one = r#"["127.0.0.1/32"]"#;
    let serving = program.serve_with(&[
        ("TOLLGATE_FASTAGI__ALLOW", only_one),
        ("TOLLGATE_INTERNAL__ALLOW", only_one),
        ("TOLLGATE_REALTIME__ALLOW", only_one),
    ]);
    for listener in [serving.fastagi, serving.internal] {
        let mut stream = connect(OTHER, listener).await.unwrap();
        let read = timeout(PATIENCE, stream.read(&mut [0])).await.expect("it is closed");
        assert_eq!(read.unwrap_or(0), 0);
    }
    let shown = program.run(&["doctor"]).out;
    assert!(shown.contains("a connection from 127.0.0.2 to the internal listener was closed"), "{shown}");
    assert!(shown.contains("open files; connections open: fastagi 0 of 4096"), "{shown}");
    assert_eq!(serving.stop().code(), Some(0));
}

#[tokio::test]
async fn a_process_without_descriptors_refuses_connections_at_once() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let counters = AcceptCounters::default();
    let mut acceptor = Acceptor::new("test", &listener, &counters);
    let callers = [TcpSocket::new_v4().unwrap(), TcpSocket::new_v4().unwrap()];
    let late = TcpSocket::new_v4().unwrap();
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(256), maximum: before.maximum }).unwrap();
    let mut files: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
    // Kept: each that is closed frees a descriptor.
    let mut kept = Vec::new();
    let refused = async {
        for caller in callers {
            let mut stream = caller.connect(address).await.unwrap();
            let read =
                timeout(PATIENCE, stream.read(&mut [0])).await.expect("it is refused, not left waiting");
            assert_eq!(read.unwrap_or(0), 0);
            kept.push(stream);
        }
    };
    tokio::select! {
        () = refused => {}
        _ = acceptor.accept() => panic!("there is no descriptor for it"),
    }
    assert_eq!(counters.out_of_descriptors(), 2);
    files.truncate(8);
    let (served, accepted) = tokio::join!(late.connect(address), acceptor.accept());
    assert_eq!(served.unwrap().local_addr().unwrap(), accepted.1);
    setrlimit(Resource::Nofile, before).unwrap();
}
