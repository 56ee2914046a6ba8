//! Calls have threads and connections of their own: no load of requests takes them away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::app::TestApp;
use crate::app::database::on_both;
use crate::app::decks::BERLIN;
use crate::app::http::Script;
use crate::app::phone::End;

/// Work that keeps every thread of a runtime busy until it is dropped.
struct Busy(Arc<AtomicBool>);

impl Busy {
    /// Returns when every worker is busy.
    async fn on(runtime: &Handle) -> Self {
        let (over, busy) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let workers = runtime.metrics().num_workers();
        for _ in 0..4 * workers {
            let (over, busy) = (Arc::clone(&over), Arc::clone(&busy));
            runtime.spawn(async move {
                busy.fetch_add(1, Ordering::SeqCst);
                while !over.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(2));
                }
            });
        }
        while busy.load(Ordering::SeqCst) < workers {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Self(over)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Until when the ownership of the wallets lasts, by the book.
async fn lease_until(app: &TestApp) -> Timestamp {
    app.services.store.owner().await.unwrap().expect("somebody owns").lease_until
}

on_both!(calls_are_served_while_every_thread_of_requests_is_busy, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    let script = app.script("alice").await;
    let busy = Busy::on(&app.requests).await;
    let asked = tokio::spawn({
        let script = script.clone();
        async move { script.read("client-api", "me").await }
    });
    // Whole calls: authorised, settled, in the book.
    for _ in 0..3 {
        let granted = app.dial("alice", BERLIN).await.allowed();
        assert!(app.end(&granted, &End::answered(2_000)).await);
    }
    // The lease is renewed: it follows the clock.
    let before = lease_until(&app).await;
    app.advance_ms(60_000).await;
    assert!(lease_until(&app).await > before);
    // Whoever supervises the process hears that it admits calls.
    let health = Script { at: app.internal, key: None }.get("/health").await;
    assert_eq!(health.status, 200, "{health:?}");
    assert!(!asked.is_finished(), "requests do wait, or this proves nothing");
    drop(busy);
    assert_eq!(asked.await.unwrap().status, 200);
    app.assert_right().await;
});

on_both!(requests_that_hold_every_connection_keep_none_from_calls, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    let store = &app.services.store;
    // More than there can be; those beyond wait in vain.
    let readers = (0..16).map(|_| {
        let store = store.clone();
        app.requests.spawn(async move { timeout(Duration::from_millis(700), store.reader()).await })
    });
    let held = futures::future::join_all(readers).await;
    let held: Vec<_> = held.into_iter().filter_map(|reader| reader.unwrap().ok()).collect();
    assert!((2..16).contains(&held.len()), "{} connections for requests", held.len());
    let granted = app.dial("alice", BERLIN).await.allowed();
    assert!(app.end(&granted, &End::answered(1_000)).await);
    let before = lease_until(&app).await;
    app.advance_ms(60_000).await;
    assert!(lease_until(&app).await > before);
    drop(held);
    app.assert_right().await;
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_waits_for_one_writing_request_and_not_for_the_queue_of_them() {
    let app = TestApp::start().await;
    app.furnish().await;
    let begun = Arc::new(AtomicUsize::new(0));
    let writing: Vec<_> = (0..60)
        .map(|_| {
            let (store, begun) = (app.services.store.clone(), Arc::clone(&begun));
            app.requests.spawn(async move {
                let tx = store.begin().await.unwrap();
                begun.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(20)).await;
                tx.rollback().await.unwrap();
            })
        })
        .collect();
    while begun.load(Ordering::SeqCst) < 5 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let before = begun.load(Ordering::SeqCst);
    app.services.store.begin().await.unwrap().rollback().await.unwrap();
    let went_first = begun.load(Ordering::SeqCst) - before;
    assert!(went_first <= 3, "{went_first} of 60 writing requests went before the ledger");
    for write in writing {
        timeout(Duration::from_secs(30), write).await.expect("each has its turn").unwrap();
    }
    app.assert_right().await;
}
