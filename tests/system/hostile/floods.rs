//! Floods of every public endpoint, with good keys and bad ones, and of FastAGI itself: each call is answered meanwhile,
//! and none is refused that has its credit.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::TestApp;
use crate::app::decks::BERLIN;
use crate::app::deployment::Deployment;
use crate::app::documents;
use crate::app::phone::{Dial, End};
use crate::app::program::now;

/// Calls that are made during a flood, each after the one before it.
const CALLS: usize = 60;
/// Who floods: without a key, with bad ones, and with the right key. The caller is a client of another reseller.
const FLOODING: [&str; 6] = ["no_key", "bad_key", "revoked_key", "client", "reseller", "subaccount"];
/// Connections that flood at once.
const FLOODS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_is_answered_while_every_endpoint_is_flooded() {
    let deployment = Arc::new(Deployment::start(&[]).await);
    let mut names = deployment.names.clone();
    for entry in documents::all() {
        // Right in form; whose they are does not matter.
        for (name, _) in &entry.keep {
            names.entry(name.clone()).or_insert_with(|| "1000001".to_owned());
        }
    }
    let requests: Vec<_> = documents::all()
        .iter()
        .flat_map(|entry| {
            let request = entry.on_the_wire(&names);
            FLOODING.map(|role| (format!("{} as {role}", entry.title()), role, request.clone()))
        })
        .collect();
    let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
    let is_over = Arc::new(AtomicBool::new(false));
    let floods: Vec<_> = (0..FLOODS)
        .map(|_| {
            let (deployment, requests) = (Arc::clone(&deployment), Arc::clone(&requests));
            let (next, is_over) = (Arc::clone(&next), Arc::clone(&is_over));
            tokio::spawn(async move {
                let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    // Every endpoint at least once for everybody, and on until the calls are made.
                    if at >= requests.len() && is_over.load(Ordering::Relaxed) {
                        return statuses;
                    }
                    let (title, role, request) = &requests[at % requests.len()];
                    let answered = deployment.send(role, request).await;
                    assert!(
                        answered.status < 500 || answered.status == 503,
                        "{title} is answered {answered:?}"
                    );
                    *statuses.entry(answered.status).or_default() += 1;
                }
            })
        })
        .collect();
    let at = deployment.serving.fastagi;
    for n in 0..CALLS {
        let granted = Dial::new("bob", BERLIN).ask(at).await;
        assert!(granted.is_allowed(), "call {n} of {CALLS} is answered {granted:?}");
        let told = End::answered(1_000).tell(at, &granted.allowed(), now().as_microsecond()).await;
        assert!(told, "call {n} of {CALLS} was not settled");
    }
    is_over.store(true, Ordering::Relaxed);
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    for flood in floods {
        for (status, count) in flood.await.unwrap() {
            *statuses.entry(status).or_default() += count;
        }
    }
    let asked: usize = statuses.values().sum();
    assert!(asked >= requests.len(), "{asked} requests of {} are no flood", requests.len());
    for status in [200, 401] {
        assert!(statuses.get(&status).is_some_and(|count| *count > 0), "{status} is missing: {statuses:?}");
    }
    deployment.program.assert_audit();
}

/// Sends something that is no call, and hears whatever comes.
async fn say(fastagi: SocketAddr, bytes: &[u8]) {
    let Ok(mut stream) = TcpStream::connect(fastagi).await else { return };
    let _ = stream.write_all(bytes).await;
    // Else the server waits for the rest of it: idle connections are another attack.
    let _ = stream.shutdown().await;
    let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut Vec::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_is_answered_while_fastagi_is_flooded() {
    let app = TestApp::start().await;
    app.furnish().await;
    let (is_over, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let floods: Vec<_> = (0..FLOODS)
        .map(|n| {
            let (fastagi, is_over, sent) = (app.fastagi, Arc::clone(&is_over), Arc::clone(&sent));
            tokio::spawn(async move {
                let unknown = format!("agi_network: yes\nagi_network_script: flood{n}\n\n");
                // On until the calls are made, and at least as often as there are calls.
                while !is_over.load(Ordering::Relaxed) || sent.load(Ordering::Relaxed) < CALLS {
                    match sent.fetch_add(1, Ordering::Relaxed) % 4 {
                        0 => say(fastagi, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await,
                        1 => say(fastagi, unknown.as_bytes()).await,
                        2 => say(fastagi, &[b'a'; 4_096]).await,
                        // A peer that is nobody's, as a phone that guesses names would make it.
                        _ => assert!(!Dial::new("guess", BERLIN).ask(fastagi).await.is_allowed()),
                    }
                }
            })
        })
        .collect();
    for n in 0..CALLS {
        let granted = app.dial("alice", BERLIN).await;
        assert!(granted.is_allowed(), "call {n} of {CALLS} is answered {granted:?}");
        assert!(app.end(&granted.allowed(), &End::busy()).await, "call {n} of {CALLS} was not settled");
    }
    is_over.store(true, Ordering::Relaxed);
    for flood in floods {
        flood.await.unwrap();
    }
    assert_eq!(app.held("alice").await, "0");
    app.assert_right().await;
    app.stop().await;
}
