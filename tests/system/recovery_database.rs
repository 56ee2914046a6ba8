//! A database that is away for a while.

use std::time::{Duration, Instant};

use tollgate::config::WhenDatabaseDown;

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
    let locked = app.desk.store.begin().await.unwrap();
    let asked = Instant::now();
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(app.dial("alice", BERLIN).await.allowed());
    }
    assert_eq!(app.dial("nobody", BERLIN).await.reason(), "unknown_peer");
    assert!(asked.elapsed() < Duration::from_secs(2), "21 answers took {:?}", asked.elapsed());
    locked.rollback().await.unwrap();
    app.flush().await;
    assert_eq!(app.desk.store.open_calls().await.unwrap().len(), 20, "the journal follows");
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
    let locked = app.desk.store.begin().await.unwrap();
    app.clock.advance_ms(6_000);
    assert_eq!(app.dial("alice", BERLIN).await.reason(), "unavailable");
    // A call that ends meanwhile is not acknowledged, and settles once when the database is back.
    assert!(!app.end(&live, &End::answered(3_000)).await);
    assert_ne!(app.held("alice").await, "0", "it still holds");
    locked.rollback().await.unwrap();
    app.until_admitting().await;
    let asked = Instant::now();
    while !app.end(&live, &End::answered(3_000)).await {
        // The first request may still be at it.
        assert!(asked.elapsed() < Duration::from_secs(15), "the call cannot be settled");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let granted = app.dial("alice", BERLIN).await.allowed();
    assert!(app.end(&granted, &End::busy()).await);
    assert_eq!(app.balance("alice").await, "99.996896");
    app.assert_right().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_admitted_without_the_database_where_the_operator_says_so() {
    let app = TestApp::start_with(|config| config.credit.when_database_down = WhenDatabaseDown::Admit).await;
    app.furnish().await;
    let locked = app.desk.store.begin().await.unwrap();
    app.clock.advance_ms(60_000);
    let granted = app.dial("alice", BERLIN).await.allowed();
    locked.rollback().await.unwrap();
    app.clock.advance_ms(3_000);
    assert!(app.end(&granted, &End::answered(3_000)).await);
    app.assert_right().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_ended_while_the_database_was_away_is_charged_when_it_is_back_without_being_asked_again()
{
    let app = TestApp::start().await;
    app.furnish().await;
    let live = app.dial("alice", BERLIN).await.allowed();
    app.flush().await;
    let failed = || app.desk.metrics.settles_failed.load(std::sync::atomic::Ordering::Relaxed);
    let locked = app.desk.store.begin().await.unwrap();
    app.clock.advance_ms(3_000);
    assert!(!app.end(&live, &End::answered(3_000)).await);
    let asked = Instant::now();
    while failed() == 0 {
        assert!(asked.elapsed() < Duration::from_secs(30), "the ledger does not give up");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_ne!(app.held("alice").await, "0", "what it holds stays held");
    // Time goes on: the charge is that of the end, whenever it is written, and no hold ends before it is.
    app.clock.advance_ms(20_000_000);
    locked.rollback().await.unwrap();
    let back = Instant::now();
    while app.held("alice").await != "0" {
        assert!(back.elapsed() < Duration::from_secs(30), "the call is not settled");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(app.balance("alice").await, "99.996896");
    assert_eq!(app.cdr(&live.dial).await.charged_ms, 3_000);
    app.assert_right().await;
}

/// Asks again for the end of a call that is paid, while the database is away, and lets the book answer later.
async fn asked_again_during_an_outage(app: &TestApp, paid: &crate::app::phone::Granted) {
    let failed = || app.desk.metrics.settles_failed.load(std::sync::atomic::Ordering::Relaxed);
    let before = failed();
    let locked = app.desk.store.begin().await.unwrap();
    assert!(!app.end(paid, &End::answered(3_000)).await);
    let asked = Instant::now();
    while failed() == before {
        assert!(asked.elapsed() < Duration::from_secs(30), "the ledger does not give up");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    locked.rollback().await.unwrap();
    app.until_admitting().await;
    app.calls.sweep().await;
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
