//! A call is settled once, by its own ticket.

use crate::app::TestApp;
use crate::app::book::cdrs;
use crate::app::database::on_both;
use crate::app::decks::BERLIN;
use crate::app::house::money;
use crate::app::phone::{Dial, End, Granted};

on_both!(a_call_settled_twice_is_charged_once, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    app.talk(&granted, 3_000).await;
    // The dialplan tells again after an answer that it did not hear, even with another duration.
    assert!(app.end(&granted, &End::answered(3_000)).await, "it is durable, so it is acknowledged");
    assert!(app.end(&granted, &End::answered(9_000)).await);
    assert_eq!(app.cdr(&granted.dial).await.charged_ms, 3_000);
    assert_eq!(app.balance("alice").await, "99.996896");
    app.assert_right().await;
    app.stop().await;
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_settled_by_ten_requests_at_once_is_charged_once() {
    let app = TestApp::start().await;
    app.furnish().await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    app.clock.advance_ms(3_000);
    let now_us = crate::app::noon().as_microsecond() + 3_000_000;
    let telling: Vec<_> = (0..10)
        .map(|_| {
            let (fastagi, granted) = (app.fastagi, granted.clone());
            tokio::spawn(async move { End::answered(3_000).tell(fastagi, &granted, now_us).await })
        })
        .collect();
    let mut settled = 0;
    for told in telling {
        settled += usize::from(told.await.unwrap());
    }
    assert!(settled >= 1, "nobody was told that it is durable");
    assert_eq!(app.cdr_count(&granted.dial).await, 1);
    assert_eq!(app.balance("alice").await, "99.996896");
    app.assert_right().await;
}

/// Tries to settle, is not acknowledged, and nothing is charged or given back.
async fn is_refused(app: &TestApp, granted: &Granted, end: &End, why: &str) {
    let before = (app.balance("alice").await, app.held("alice").await);
    assert!(!app.end(granted, end).await, "{why} was acknowledged");
    assert_eq!((app.balance("alice").await, app.held("alice").await), before, "{why}");
    assert_eq!(app.cdr_count(&granted.dial).await, 0, "{why} is no call's end");
}

#[tokio::test]
async fn tickets_that_are_not_this_calls_own_are_refused() {
    let app = TestApp::start().await;
    app.furnish().await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    let other = app.dial("alice", BERLIN).await.allowed();
    app.clock.advance_ms(3_000);

    is_refused(&app, &granted, &End::answered(3_000).with_ticket(&other.ticket), "another call's ticket")
        .await;
    for at in 0..granted.ticket.len() {
        // Every character is covered by the signature: the last one holds bits that must be zero, too.
        let mut altered = granted.ticket.clone().into_bytes();
        altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        let end = End::answered(3_000).with_ticket(&altered);
        assert!(!app.end(&granted, &end).await, "a ticket altered at {at} was acknowledged");
    }
    is_refused(&app, &granted, &End::answered(3_000).with_ticket("rubbish"), "no ticket at all").await;
    let cut = &granted.ticket[..granted.ticket.len() - 4];
    is_refused(&app, &granted, &End::answered(3_000).with_ticket(cut), "a ticket cut short").await;

    let foreign = TestApp::start().await;
    foreign.furnish().await;
    let theirs = granted.dial.ask(foreign.fastagi).await.allowed();
    is_refused(&app, &granted, &End::answered(3_000).with_ticket(&theirs.ticket), "another house's ticket")
        .await;

    for granted in [&granted, &other] {
        assert!(app.end(granted, &End::answered(3_000)).await, "the right ticket still settles");
    }
    app.assert_right().await;
}

#[tokio::test]
async fn a_ticket_settles_its_own_leg_alone() {
    let app = TestApp::start().await;
    app.furnish().await;
    let first = app.dial("alice", BERLIN).await.allowed();
    let second = Dial { leg: "2".to_owned(), ..first.dial.clone() }.ask(app.fastagi).await.allowed();
    assert_ne!(first.ticket, second.ticket);
    assert!(!app.end(&second, &End::answered(1_000).with_ticket(&first.ticket)).await);
    for granted in [&first, &second] {
        assert!(app.end(granted, &End::answered(1_000)).await);
    }
    assert_eq!(app.cdr_count(&first.dial).await, 2);
    app.assert_right().await;
}

#[tokio::test]
async fn a_settle_without_a_ticket_ends_no_call_that_has_its_token_and_needs_nothing_for_an_unknown_one() {
    let app = TestApp::start().await;
    app.furnish().await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    let held = app.held("alice").await;
    assert_ne!(held, "0");
    assert!(!app.end(&granted, &End::answered(0).with_ticket("")).await);
    assert_eq!((app.balance("alice").await, app.held("alice").await), ("100".into(), held));
    assert_eq!(app.cdr_count(&granted.dial).await, 0);
    assert!(app.end(&granted, &End::busy()).await);
    // And for a call that nobody ever heard of there is nothing to do.
    let unknown = Granted { dial: Dial::new("alice", BERLIN), ..granted };
    assert!(app.end(&unknown, &End::answered(0).with_ticket("")).await);
    assert_eq!(app.cdr_count(&unknown.dial).await, 0);
    app.assert_right().await;
}

#[tokio::test]
async fn a_grant_that_never_reached_the_dialplan_holds_nothing() {
    let app = TestApp::start().await;
    app.furnish().await;
    let dial = Dial::new("alice", BERLIN);
    // The caller gives up before the first variable is set: Asterisk closes the connection.
    let outcome = dial.channel().exit_on_hangup().hang_up_after(0).run(app.fastagi).await.unwrap();
    assert_eq!(outcome.variable("TG_TOKEN"), None);
    let granted = || app.services.metrics.calls_allowed.load(std::sync::atomic::Ordering::Relaxed);
    for _ in 0..100 {
        if granted() == 1 && app.calls.open_calls() == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(app.held("alice").await, "0");
    app.assert_right().await;
}

#[tokio::test]
async fn the_same_channel_cannot_be_granted_twice_while_it_lives() {
    let app = TestApp::start().await;
    app.furnish().await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    assert_eq!(granted.dial.ask(app.fastagi).await.reason(), "unavailable");
    assert!(app.end(&granted, &End::busy()).await);
    app.assert_right().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_channel_that_asks_over_many_connections_at_once_is_granted_once() {
    let app = TestApp::start().await;
    app.furnish().await;
    for _ in 0..20 {
        let dial = Dial::new("alice", BERLIN);
        let asked = (0..8).map(|_| {
            let (dial, fastagi) = (dial.clone(), app.fastagi);
            tokio::spawn(async move { dial.ask(fastagi).await })
        });
        let mut granted = Vec::new();
        for answer in asked.collect::<Vec<_>>() {
            let answer = answer.await.unwrap();
            if answer.is_allowed() {
                granted.push(answer.allowed());
            } else {
                assert_eq!(answer.reason(), "unavailable");
            }
        }
        assert_eq!(granted.len(), 1);
        assert!(app.end(&granted[0], &End::busy()).await);
    }
    assert_eq!(app.held("alice").await, "0");
    app.assert_right().await;
}

#[tokio::test]
async fn a_hold_that_nobody_settles_ends_and_its_ticket_still_charges() {
    let app = TestApp::start().await;
    app.furnish().await;
    app.leave("alice", "0.062076").await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    // 60 s of talk, 90 s of ringing, 60 s of grace.
    app.clock.advance_ms(209_000);
    app.calls.sweep().await;
    assert_eq!(app.show("alice").await.held, money("0.062076"));
    app.advance_ms(2_000).await;
    app.calls.sweep().await;
    assert_eq!(app.show("alice").await.held, money("0"));
    assert!(app.end(&granted, &End::answered(30_000)).await);
    assert_eq!(app.cdr(&granted.dial).await.payers[0].charge, 31_038_000);
    assert_eq!(app.balance("alice").await, "0.031038");
    app.assert_right().await;
}

#[tokio::test]
async fn a_unique_id_that_comes_again_after_its_end_is_refused() {
    let app = TestApp::start().await;
    app.furnish().await;
    let first = app.dial("alice", BERLIN).await.allowed();
    app.talk(&first, 3_000).await;
    // Asterisk never uses a unique id twice; one whose clock was set back and that has no systemname does.
    assert_eq!(first.dial.ask(app.fastagi).await.reason(), "unavailable");
    app.flush().await;
    let cdrs = cdrs(&app.services.store, &first.dial).await;
    let dispositions: Vec<&str> = cdrs.iter().map(|cdr| cdr.disposition.as_str()).collect();
    assert_eq!(dispositions, ["answered", "refused"]);
    assert_eq!(app.balance("alice").await, "99.996896");
    app.assert_right().await;
}

#[tokio::test]
async fn a_settled_call_that_is_journalled_all_the_same_is_not_charged_again_after_a_restart() {
    let app = TestApp::start().await;
    app.furnish().await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    app.flush().await;
    let journalled = app.services.store.open_calls().await.unwrap().remove(0);
    app.talk(&granted, 3_000).await;
    app.calls.ledger.open_call(journalled);
    app.flush().await;

    let app = TestApp::on(app.stop().await, |_| {}).await;
    app.clock.advance_ms(3_000);
    assert!(app.end(&granted, &End::answered(3_000)).await, "it is in the book");
    assert_eq!(app.balance("alice").await, "99.996896");
    assert_eq!(app.calls.open_calls(), 0);
    app.assert_right().await;
}
