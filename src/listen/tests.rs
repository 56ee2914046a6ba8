//! Slow connections of every kind, against a listener with little patience.

use std::io::ErrorKind;

use axum::body::Bytes;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::time::timeout;

use super::*;

const SHORT: Duration = Duration::from_millis(500);
/// Far longer than a disconnection takes on a busy machine.
const LONG: Duration = Duration::from_secs(20);
/// More bytes than any socket's buffers hold.
const LARGE: usize = 32 * 1024 * 1024;

struct Running {
    address: SocketAddr,
    meter: Arc<Meter>,
    stop: CancellationToken,
}

impl Running {
    async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let patience = Patience { handshake: SHORT, head: SHORT, body: SHORT, write: SHORT, stop: SHORT };
        let caps = Caps { connections: 8, per_address: 8 };
        let mut settings = Settings { name: "test", caps, allow: None, proxies: Vec::new(), patience };
        change(&mut settings);
        let listener = Listener::new(tcp, settings);
        let (address, meter) = (listener.local_addr().unwrap(), listener.meter());
        let stop = CancellationToken::new();
        let router = Router::new()
            .route("/", get(async || "hello"))
            .route("/read", post(async |body: Bytes| body.len().to_string()))
            .route("/large", get(async || vec![b'x'; LARGE]))
            .route("/never", get(async || std::future::pending::<()>().await));
        tokio::spawn(listener.serve(None, router, stop.clone()));
        Self { address, meter, stop }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn connect_from(&self, address: [u8; 4]) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((IpAddr::from(address), 0).into()).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    async fn until_open(&self, wanted: usize) {
        let opened = async {
            while self.meter.counted().open != wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LONG, opened).await.unwrap_or_else(|_| panic!("{:?}", self.meter.counted()));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Reads until the other side closes, cleanly or not.
async fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    let ended = timeout(LONG, stream.read_to_end(&mut read)).await.expect("it is closed");
    if let Err(error) = ended {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
    }
    read
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_cut_at_its_limit() {
    let running = Running::start(|_| {}).await;
    let mut stream = running.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nX-A: ").await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let mut read = Vec::new();
    tokio::select! {
        ended = timeout(LONG, reader.read_to_end(&mut read)) => { let _ = ended.expect("it is cut"); }
        () = async {
            while writer.write_all(b"a").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            std::future::pending::<()>().await;
        } => {}
    }
    assert!(!read.starts_with(b"HTTP/1.1 200"));
    running.until_open(0).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_before_and_after_a_request() {
    let running = Running::start(|_| {}).await;
    let mut silent = running.connect().await;
    assert_eq!(until_closed(&mut silent).await, b"");
    let mut idle = running.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let answer = until_closed(&mut idle).await;
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n") && answer.ends_with(b"\r\n\r\nhello"));
}

#[tokio::test]
async fn a_body_that_comes_byte_by_byte_is_cut_at_its_limit() {
    let running = Running::start(|_| {}).await;
    let mut stream = running.connect().await;
    stream.write_all(b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n").await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let mut read = Vec::new();
    tokio::select! {
        ended = timeout(LONG, reader.read_to_end(&mut read)) => { let _ = ended.expect("it is cut"); }
        () = async {
            while writer.write_all(b"a").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            std::future::pending::<()>().await;
        } => {}
    }
    assert!(!read.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&read));
    running.until_open(0).await;
}

#[tokio::test]
async fn a_reader_of_a_byte_now_and_then_is_cut_off() {
    let running = Running::start(|_| {}).await;
    let mut stream = running.connect().await;
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    running.until_open(1).await;
    let cut = async {
        while running.meter.counted().open > 0 {
            let _ = stream.read(&mut [0]).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(LONG, cut).await.expect("it is cut off");
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.len() < LARGE, "it was not cut off");
}

#[tokio::test]
async fn an_address_that_is_not_allowed_is_closed_before_anything_is_read() {
    let running =
        Running::start(|settings| settings.allow = Some(vec!["192.0.2.0/24".parse().unwrap()])).await;
    let mut refused = running.connect_from([127, 0, 0, 2]).await;
    assert_eq!(until_closed(&mut refused).await, b"");
    let counted = running.meter.counted();
    assert_eq!((counted.refused_address, counted.last_refused), (1, Some([127, 0, 0, 2].into())));
    // This machine, by the address it listens on.
    let mut own = running.connect().await;
    own.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(until_closed(&mut own).await.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn what_is_beyond_the_caps_is_closed_at_once_where_all_are_busy() {
    let running = Running::start(|settings| settings.caps = Caps { connections: 3, per_address: 2 }).await;
    let mut busy = Vec::new();
    for address in [[127, 0, 0, 1], [127, 0, 0, 1], [127, 0, 0, 2]] {
        let mut stream = running.connect_from(address).await;
        stream.write_all(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        busy.push(stream);
        running.until_open(busy.len()).await;
    }
    // The heads are read by now, or within moments: a waiting seat is reassigned, and its stream replaced.
    tokio::time::sleep(SHORT / 2).await;
    let mut own = running.connect().await;
    assert_eq!(until_closed(&mut own).await, b"");
    let mut other = running.connect_from([127, 0, 0, 3]).await;
    assert_eq!(until_closed(&mut other).await, b"");
    let counted = running.meter.counted();
    assert_eq!((counted.refused_share, counted.refused_full, counted.evicted), (1, 1, 0), "{counted:?}");
    let mut registry = Registry::default();
    register_metrics(&mut registry, move || vec![counted]);
    let text = registry.encode().unwrap();
    assert!(text.contains("tollgate_connections{listener=\"test\"} 3\n"), "{text}");
    assert!(text.contains("refused_total{listener=\"test\",reason=\"share\"} 1\n"), "{text}");
}
