//! A database that is away for a while.

use std::time::{Duration, Instant};

use crate::app::TestApp;
use crate::app::decks::BERLIN;
use crate::app::phone::End;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authorising_waits_for_no_database() {
    let app = TestApp::start().await;
    app.furnish().await;
    for login in ["alice", "acme"] {
        app.credit(login, "900").await;
    }
    let locked = app.services.store.begin().await.unwrap();
    let asked = Instant::now();
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(app.dial("alice", BERLIN).await.allowed());
    }
    assert_eq!(app.dial("nobody", BERLIN).await.reason(), "unknown_peer");
    assert!(asked.elapsed() < Duration::from_secs(2), "21 answers took {:?}", asked.elapsed());
    locked.rollback().await.unwrap();
    app.flush().await;
    assert_eq!(app.services.store.open_calls().await.unwrap().len(), 20, "the journal follows");
    for granted in &open {
        assert!(app.end(granted, &End::busy()).await);
    }
    app.assert_right().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_refused_when_the_lease_could_not_be_renewed_and_admitted_when_it_is_again() {
    let app = TestApp::start().await;
    app.furnish().await;
    let live = app.dial("alice", BERLIN).await.allowed();
    let locked = app.services.store.begin().await.unwrap();
    app.clock.advance_ms(6_000);
    assert_eq!(app.dial("alice", BERLIN).await.reason(), "unavailable");
    // A call that ends meanwhile is acknowledged, and calls are refused all the same.
    assert!(app.end(&live, &End::answered(3_000)).await);
    assert_eq!(app.held("alice").await, "0", "it holds no more");
    assert_eq!(app.dial("alice", BERLIN).await.reason(), "unavailable");
    locked.rollback().await.unwrap();
    app.until_drained().await;
    app.until_admitting().await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    assert!(app.end(&granted, &End::busy()).await);
    assert_eq!(app.balance("alice").await, "99.996896");
    app.assert_right().await;
}

/// Asks again for the end of a call that is paid, while the database is away, and lets the book answer later.
async fn asked_again_during_an_outage(app: &TestApp, paid: &crate::app::phone::Granted) {
    let locked = app.services.store.begin().await.unwrap();
    assert!(app.end(paid, &End::answered(3_000)).await);
    assert!(app.end(paid, &End::answered(3_000)).await);
    locked.rollback().await.unwrap();
    app.until_drained().await;
    app.until_admitting().await;
    assert_eq!(app.balance("alice").await, "99.996896", "charged once");
    app.assert_right().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paid_call_whose_end_is_told_again_during_an_outage_is_charged_once() {
    let app = TestApp::start().await;
    app.furnish().await;
    let paid = app.dial("alice", BERLIN).await.allowed();
    app.talk(&paid, 3_000).await;
    asked_again_during_an_outage(&app, &paid).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_paid_before_a_restart_whose_end_is_told_again_during_an_outage_is_charged_once() {
    let app = TestApp::start().await;
    app.furnish().await;
    let paid = app.dial("alice", BERLIN).await.allowed();
    app.talk(&paid, 3_000).await;
    let app = TestApp::on(app.stop().await, |_| {}).await;
    asked_again_during_an_outage(&app, &paid).await;
}
