//! An upstream of eSIMs that answers to harm: endless, deep, wrong or foreign answers. Each is an answer that is none: the
//! order waits, is asked about again, and ends in one eSIM that is paid once.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tollgate::esim::SyncError;

use crate::app::TestApp;
use crate::app::esim::{CLIENT_PRICE, Upstream, buy, wait_for};
use crate::app::house::money;

/// What is answered in place of the upstream's next answers, by path.
type Lies = Arc<Mutex<BTreeMap<&'static str, VecDeque<Vec<u8>>>>>;

/// Stands before the simulator and answers for it when told to.
struct Mask {
    address: SocketAddr,
    lies: Lies,
}

impl Mask {
    async fn before(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let lies = Lies::default();
        let shared = Arc::clone(&lies);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, upstream, Arc::clone(&shared)));
            }
        });
        Self { address, lies }
    }

    fn lie(&self, path: &'static str, answers: Vec<Vec<u8>>) {
        self.lies.lock().unwrap().entry(path).or_default().extend(answers);
    }

    fn left(&self) -> usize {
        self.lies.lock().unwrap().values().map(VecDeque::len).sum()
    }
}

/// One request a connection: whole, then the lie or the truth.
async fn serve(mut stream: TcpStream, upstream: SocketAddr, lies: Lies) {
    let (mut request, mut buffer) = (Vec::new(), vec![0; 65_536]);
    loop {
        let Ok(read @ 1..) = stream.read(&mut buffer).await else { return };
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request).to_lowercase();
        let Some(head) = text.find("\r\n\r\n") else { continue };
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
        if request.len() >= head + 4 + length {
            break;
        }
    }
    let line = String::from_utf8_lossy(&request).lines().next().unwrap().to_owned();
    let answer = {
        let mut lies = lies.lock().unwrap();
        lies.iter_mut().find(|(path, _)| line.contains(**path)).and_then(|(_, answers)| answers.pop_front())
    };
    if let Some(answer) = answer {
        let _ = stream.write_all(&answer).await;
        return;
    }
    let mut server = TcpStream::connect(upstream).await.unwrap();
    // The simulator is to close when it has answered, so that the answer's end is the connection's.
    let text = String::from_utf8_lossy(&request).replacen("\r\n", "\r\nConnection: close\r\n", 1);
    if server.write_all(text.as_bytes()).await.is_ok() {
        let _ = tokio::io::copy(&mut server, &mut stream).await;
    }
}

fn http(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn says(obj: &Value) -> Vec<u8> {
    http(json!({ "success": true, "errorCode": "0", "errorMsg": null, "obj": obj }).to_string().as_bytes())
}

/// Answers to anything that are none.
fn nonsense() -> Vec<Vec<u8>> {
    let deep = format!("{{\"success\":true,\"obj\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let huge = format!("{{\"success\":true,\"obj\":{{\"orderNo\":\"{}\"}}}}", "9".repeat(3 << 20));
    let many_headers =
        format!("HTTP/1.1 200 OK\r\n{}Content-Length: 2\r\n\r\n{{}}", "X-Y: z\r\n".repeat(5_000));
    vec![
        http(huge.as_bytes()),
        // A length that is never reached, one that no memory holds, chunks without an end.
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n{\"success\":".to_vec(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{".to_vec(),
        http(deep.as_bytes()),
        many_headers.into_bytes(),
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec(),
        http(b"\xff\xfe\x00null"),
        http(br#"{"success":"yes","obj":{"orderNo":"B1","esimList":[]}}"#),
        http(br#"[{"success":true}]"#),
        says(&json!(null)),
        says(&json!({ "orderNo": 7, "esimList": { "a": 1 } })),
        says(&json!({ "orderNo": { "a": [] }, "esimList": "none" })),
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 9\r\n\r\n{}   ".to_vec(),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_upstream_answers_each_order_ends_in_one_esim_that_is_paid_once() {
    let upstream = Upstream::start(0).await;
    let mask = Mask::before(upstream.address()).await;
    let url = format!("http://{}", mask.address);
    let app = TestApp::start_with(|config| {
        Upstream::configure_at(config, url);
    })
    .await;
    app.sells().await;
    let alice = app.script("alice").await;
    let order_lies = [
        says(&json!({ "orderNo": "B2\u{7}\r\nX" })),
        says(&json!({ "orderNo": "" })),
        says(&json!({ "orderNo": "B3", "transactionId": "somebody-elses" })),
        says(&json!({ "orderNo": "9".repeat(500) })),
        http(br#"{"success":false,"errorCode":{"a":1},"errorMsg":"no"}"#),
        http(br#"{"success":false,"errorCode":"999999","errorMsg":"\u0000\u001b[2J"}"#),
    ];
    let esim = |more: Value| {
        let mut row = json!({ "esimTranNo": "25030303480009", "orderNo": "B4", "transactionId": "other",
            "iccid": "8943108170002579999", "ac": "LPA:1$x$y", "esimStatus": "GOT_RESOURCE" });
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row
    };
    let query_lies = [
        // Another order's, several for one, one with control characters in its names, one without a name.
        says(&json!({ "esimList": [esim(json!({}))], "pager": { "total": 1 } })),
        says(&json!({ "esimList": [esim(json!({})), esim(json!({}))], "pager": { "total": 2 } })),
        says(&json!({ "esimList": [esim(json!({ "ac": "LPA:1$x\r\n$y" }))], "pager": { "total": 1 } })),
        says(&json!({ "esimList": [esim(json!({ "esimTranNo": null }))], "pager": { "total": 1 } })),
        says(&json!({ "esimList": vec![esim(json!({})); 3_000], "pager": { "total": -1 } })),
        says(&json!({ "esimList": [esim(json!({ "totalVolume": "1e99", "orderUsage": -5 }))] })),
    ];
    mask.lie("/esim/order", [nonsense(), order_lies.to_vec()].concat());
    mask.lie("/esim/query", [nonsense(), query_lies.to_vec()].concat());
    let mut orders = Vec::new();
    for _ in 0..4 {
        orders.push(buy(&alice).await);
    }
    // Fewer orders than lies: each of them is lied to again and again.
    let mut shown = Vec::new();
    while mask.left() > 0 {
        assert_eq!(upstream.orders().len().max(orders.len()), orders.len(), "none is bought twice");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        if orders.len() < 20 && mask.left() > 0 {
            orders.push(buy(&alice).await);
        }
    }
    for order in &orders {
        shown.push(wait_for(&alice, order, "ALLOCATED").await);
    }
    let mut iccids: Vec<&str> = shown.iter().map(|row| row["iccid"].as_str().unwrap()).collect();
    iccids.sort_unstable();
    iccids.dedup();
    assert_eq!(iccids.len(), orders.len(), "each has an eSIM of its own");
    assert_eq!(upstream.orders().len(), orders.len(), "and no other was bought");
    let mut left = money("100");
    for _ in &orders {
        left = left.checked_sub(money(CLIENT_PRICE)).unwrap();
    }
    assert_eq!((app.balance("alice").await, app.held("alice").await), (left.to_string(), "0".to_owned()));
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_catalogue_is_refused_or_bounded_and_what_was_known_is_sold_on() {
    let upstream = Upstream::start(0).await;
    let mask = Mask::before(upstream.address()).await;
    let url = format!("http://{}", mask.address);
    let app = TestApp::start_with(|config| {
        Upstream::configure_at(config, url);
    })
    .await;
    app.sells().await;
    let alice = app.script("alice").await;
    let known = alice.read("esim-api", "packages&limit=1").await.ok()["total"].clone();
    let package = |more: Value| {
        let mut row = json!({ "packageCode": "HOSTILE1", "slug": "x", "name": "One\u{1b}[2J\r\nX: y", "price": 6_200,
            "currencyCode": "USD", "volume": 1_073_741_824, "duration": 7, "durationUnit": "DAY", "location": "DE" });
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row
    };
    let list = |rows: Value| says(&json!({ "packageList": rows }));
    let wrong = [
        json!({ "price": -1 }),
        json!({ "price": i64::MAX }),
        json!({ "price": 0 }),
        json!({ "price": "6200.5" }),
        json!({ "volume": i64::MAX }),
        json!({ "duration": 9_000_000_000_i64 }),
        json!({ "currencyCode": "US\n" }),
        json!({ "packageCode": "a'; DROP TABLE esim_packages" }),
    ];
    let refused = [
        list(json!(wrong.iter().map(|more| package(more.clone())).collect::<Vec<_>>())),
        list(json!(vec![package(json!({})); 20_001])),
        list(json!([])),
        list(json!("none")),
    ];
    let count = refused.len();
    mask.lie("/package/list", refused.to_vec());
    for _ in 0..count {
        let synced = tollgate::esim::sync(&app.esim).await;
        assert!(matches!(synced, Err(SyncError::Upstream(_) | SyncError::Empty)), "{synced:?}");
        assert_eq!(alice.read("esim-api", "packages&limit=1").await.ok()["total"], known);
    }
    // One that can be sold, with names to harm whoever shows them: it is kept without them.
    let operators = vec![json!({ "operatorName": "Op\u{0}\u{1b}]0;x\u{7}", "networkType": "5G\n" }); 5_000];
    let country =
        json!({ "locationName": "Ger\r\nmany", "locationCode": "DE\u{0}", "operatorList": operators });
    mask.lie(
        "/package/list",
        vec![list(json!([package(json!({ "location": "DE,\u{7}X,FR", "locationNetworkList": [country] }))]))],
    );
    tollgate::esim::sync(&app.esim).await.unwrap();
    let shown = alice.read("esim-api", "packages&limit=200").await.ok();
    let text = shown.to_string();
    assert!(text.contains("HOSTILE1"), "{text}");
    let is_control = |escape: &str| text.contains(escape);
    assert!(!["\\u00", "\\r", "\\n", "\\b"].into_iter().any(is_control), "{text:.2000}");
    assert!(text.matches("5G").count() <= 50, "the networks of a country are bounded");
    app.assert_right().await;
    app.stop().await;
}
