//! Connections to the public HTTP APIs: time limits, number of connections, request budgets, CORS, TLS.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::app::TestApp;
use crate::app::program::{Program, UNUSABLE_CONFIG};

/// Sends bytes, and reads until the other side closes or `patience` is over; what was read and how long it took.
async fn raw(app: &TestApp, bytes: &[u8], patience: Duration) -> (String, Duration) {
    let began = Instant::now();
    let mut stream = TcpStream::connect(app.http).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut read = Vec::new();
    let _ = tokio::time::timeout(patience, stream.read_to_end(&mut read)).await;
    (String::from_utf8_lossy(&read).into_owned(), began.elapsed())
}

/// Sends an endless head, a byte every half second, until the other side closes or `patience` is over.
async fn dripped(app: &TestApp, patience: Duration) -> (String, Duration) {
    let began = Instant::now();
    let (mut reader, mut writer) = TcpStream::connect(app.http).await.unwrap().into_split();
    let mut read = Vec::new();
    let dripping = async {
        writer.write_all(b"GET / HTTP/1.1\r\nX-A: ").await.unwrap();
        while writer.write_all(b"a").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        std::future::pending::<()>().await;
    };
    let closed = async {
        let _ = reader.read_to_end(&mut read).await;
    };
    let _ = tokio::time::timeout(patience, async {
        tokio::select! {
            () = closed => {}
            () = dripping => {}
        }
    })
    .await;
    (String::from_utf8_lossy(&read).into_owned(), began.elapsed())
}

/// DER as PEM.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

#[tokio::test]
async fn slow_headers_slow_bodies_and_idle_connections_time_out() {
    let app = TestApp::start().await;
    app.furnish().await;
    let key = app.script("alice").await.key.unwrap();
    let patience = Duration::from_secs(25);
    let slow_post = format!(
        "POST /client-api/index.php?endpoint=change-plan HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\n\
         Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{{"
    );
    let (silent, head, dripped, post) = tokio::join!(
        raw(&app, b"", patience),
        raw(&app, b"GET /client-api/index.php?endpoint=me HTTP/1.1\r\nHost: a\r\nX-A", patience),
        dripped(&app, patience),
        raw(&app, slow_post.as_bytes(), patience),
    );
    for (answer, took) in [&silent, &head, &dripped] {
        assert!(*took < Duration::from_secs(20), "{took:?}: {answer}");
        assert!(!answer.contains(" 200 "), "{answer}");
    }
    assert!(post.0.contains(" 408 "), "{post:?}");
    app.stop().await;
}

#[tokio::test]
async fn a_large_body_and_one_of_another_type_are_refused_without_using_memory() {
    let app = TestApp::start().await;
    app.furnish().await;
    let client = app.script("alice").await;
    let large = "x".repeat(300 * 1024);
    let path = "/client-api/index.php?endpoint=change-plan";
    let json = [("Content-Type", "application/json")];
    assert_eq!(client.ask(Method::POST, path, &json, large).await.refused(413), "too_large");
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let answered = client.ask(Method::POST, path, &form, "id_plan=8").await;
    assert_eq!(answered.refused(415), "unsupported_media_type");
    assert_eq!(client.ask(Method::POST, path, &[], "{}").await.refused(415), "unsupported_media_type");
    let endless = format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n{}",
        client.key.as_ref().unwrap(),
        format!("8000\r\n{}\r\n", "x".repeat(0x8000)).repeat(9),
    );
    let (answer, _) = raw(&app, endless.as_bytes(), Duration::from_secs(5)).await;
    assert!(answer.contains(" 413 "), "{answer}");
    app.stop().await;
}

#[tokio::test]
async fn a_connection_beyond_the_limit_closes_the_longest_idle_one() {
    let app = TestApp::start_with(|config| config.http.max_connections = 2).await;
    app.furnish().await;
    let client = app.script("alice").await;
    let mut one = TcpStream::connect(app.http).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut two = TcpStream::connect(app.http).await.unwrap();
    assert_eq!(client.read("client-api", "me").await.status, 200);
    assert_eq!(one.read(&mut [0]).await.unwrap_or(0), 0, "the first is closed");
    two.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    two.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "the second is served: {answer}");
    app.stop().await;
}

#[tokio::test]
async fn too_many_requests_of_a_key_get_429_with_retry_after_and_other_keys_do_not() {
    let app = TestApp::start_with(|config| {
        config.http.key_requests_per_minute = 5;
        config.http.address_requests_per_minute = 5;
        config.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    app.furnish().await;
    let (client, reseller) = (app.script("alice").await, app.script("acme").await);
    for _ in 0..5 {
        client.read("client-api", "me").await.ok();
    }
    let refused = client.read("client-api", "me").await;
    assert_eq!(refused.refused(429), "too_many_requests");
    let seconds: u32 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    reseller.read("reseller-api", "me").await.ok();
    // Guessing keys costs the address; through a trusted proxy that is who stands behind it.
    let guess = |from: &'static str| {
        let stranger = app.stranger();
        async move {
            let path = "/client-api/index.php?endpoint=me";
            let headers = [("X-API-Key", "guess"), ("X-Forwarded-For", from)];
            stranger.ask(Method::GET, path, &headers, "").await.status
        }
    };
    for _ in 0..5 {
        assert_eq!(guess("10.9.9.9, 192.0.2.7").await, 401);
    }
    assert_eq!(guess("10.8.8.8, 192.0.2.7").await, 429);
    assert_eq!(guess("192.0.2.8").await, 401);
    reseller.read("reseller-api", "me").await.ok();
    app.stop().await;
}

#[tokio::test]
async fn only_configured_origins_pass_cors() {
    let origin = [("Origin", "https://portal.example")];
    let path = "/client-api/index.php?endpoint=me";
    let app = TestApp::start().await;
    app.furnish().await;
    let client = app.script("alice").await;
    let answered = client.ask(Method::GET, path, &origin, "").await;
    assert!(!answered.headers.contains_key("access-control-allow-origin"), "{answered:?}");
    app.stop().await;
    let app = TestApp::start_with(|config| {
        config.http.cors_origins = vec!["https://portal.example".to_owned()];
    })
    .await;
    app.furnish().await;
    let client = app.script("alice").await;
    let answered = client.ask(Method::GET, path, &origin, "").await;
    assert_eq!(answered.headers["access-control-allow-origin"], "https://portal.example");
    let other = client.ask(Method::GET, path, &[("Origin", "https://evil.example")], "").await;
    assert!(!other.headers.contains_key("access-control-allow-origin"), "{other:?}");
    let asked = [
        ("Origin", "https://portal.example"),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "x-api-key,content-type"),
    ];
    let preflight = app.stranger().ask(Method::OPTIONS, path, &asked, "").await;
    assert_eq!(preflight.status, 200, "{preflight:?}");
    assert!(preflight.headers["access-control-allow-headers"].to_str().unwrap().contains("x-api-key"));
    app.stop().await;
}

#[tokio::test]
async fn the_listener_serves_tls_with_the_configured_certificate_and_no_plain_http() {
    let files = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (files.path().join("cert.pem"), files.path().join("key.pem"));
    std::fs::write(&cert, pem("CERTIFICATE", certified.cert.der())).unwrap();
    std::fs::write(&key, pem("PRIVATE KEY", &certified.signing_key.serialize_der())).unwrap();
    let app = TestApp::start_with(|config| {
        config.http.tls_cert = Some(cert.clone());
        config.http.tls_key = Some(key.clone());
    })
    .await;
    app.furnish().await;
    let api_key = app.script("acme").await.key.unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(certified.cert.der().to_vec())).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(app.http).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let request = format!(
        "GET /reseller-api/v1/me HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-API-Key: {api_key}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(String::from_utf8_lossy(&answer).contains("\"group\":\"Agent\""));
    let (plain, _) = raw(&app, request.as_bytes(), Duration::from_secs(3)).await;
    assert!(!plain.contains("Agent"), "{plain}");
    app.stop().await;
}

#[tokio::test]
async fn an_invalid_certificate_prevents_the_start() {
    let files = tempfile::tempdir().unwrap();
    let pem = files.path().join("cert.pem");
    std::fs::write(&pem, "no certificate").unwrap();
    let program = Program::sqlite();
    let path = pem.display();
    let text = std::fs::read_to_string(&program.config).unwrap();
    let text = text.replace("[http]\n", &format!("[http]\ntls_cert = \"{path}\"\ntls_key = \"{path}\"\n"));
    std::fs::write(&program.config, text).unwrap();
    let said = program.run(&["serve"]);
    assert_eq!(said.status, UNUSABLE_CONFIG);
    assert!(said.err.contains("http.tls_cert") || said.out.contains("http.tls_cert"), "{said:?}");
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answers_is_disconnected() {
    let app = TestApp::start_with(|config| {
        config.http.max_connections = 1;
        config.http.address_requests_per_minute = 100_000;
    })
    .await;
    app.furnish().await;
    let client = app.script("alice").await;
    let mut greedy = TcpStream::connect(app.http).await.unwrap();
    let one = "GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n";
    // As many answers as no socket's buffers hold, and none of them read.
    let asking = tokio::spawn(async move {
        let _ = greedy.write_all(one.repeat(500).as_bytes()).await;
        tokio::time::sleep(Duration::from_mins(2)).await;
        drop(greedy);
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    // Refused at once as long as the only place is that of an answer under way.
    let served = async {
        loop {
            let client = client.clone();
            let asked = tokio::spawn(async move { client.read("client-api", "me").await.status });
            match asked.await {
                Ok(status) => return status,
                Err(_) => tokio::time::sleep(Duration::from_millis(500)).await,
            }
        }
    };
    let status = tokio::time::timeout(Duration::from_mins(1), served).await;
    assert_eq!(status.expect("the place is free again"), 200);
    asking.abort();
    app.stop().await;
}
