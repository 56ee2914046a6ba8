//! Credit for one call admits one call.

use crate::app::TestApp;
use crate::app::database::on_both;
use crate::app::decks::{BERLIN, FRANCE, LONDON};
use crate::app::house::money;
use crate::app::phone::{Answer, Dial, End};
use tollgate::accounts::ops::AccountChange;

/// So many calls at once, on connections of their own.
async fn at_once(app: &TestApp, dials: Vec<Dial>) -> Vec<Answer> {
    let fastagi = app.fastagi;
    let asking: Vec<_> =
        dials.into_iter().map(|dial| tokio::spawn(async move { dial.ask(fastagi).await })).collect();
    let mut answers = Vec::new();
    for asked in asking {
        answers.push(asked.await.unwrap());
    }
    answers
}

on_both!(of_fifty_simultaneous_calls_the_clients_credit_for_one_admits_one, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    // One second at 0.062076 a minute is 0.001035.
    app.leave("alice", "0.00104").await;
    let answers = at_once(&app, (0..50).map(|_| Dial::new("alice", BERLIN)).collect()).await;
    let (allowed, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Answer::is_allowed);
    assert_eq!(allowed.len(), 1);
    assert!(refused.iter().all(|answer| answer.reason() == "no_credit"), "{refused:?}");
    for granted in allowed {
        app.talk(&granted.allowed(), 1_000).await;
    }
    assert_eq!(app.balance("alice").await, "0.000005");
    app.assert_right().await;
    app.stop().await;
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_simultaneous_calls_of_rich_clients_the_resellers_credit_for_one_admits_one() {
    let app = TestApp::start().await;
    app.furnish().await;
    for n in 0..10 {
        app.client(&format!("rich{n}"), Some("acme"), "retail").await;
        app.credit(&format!("rich{n}"), "1000").await;
    }
    // One second at 0.05173 a minute is 0.000862.
    app.leave("acme", "0.0009").await;
    let dials = (0..50).map(|n| Dial::new(&format!("rich{}", n % 10), BERLIN)).collect();
    let answers = at_once(&app, dials).await;
    let (allowed, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Answer::is_allowed);
    assert_eq!(allowed.len(), 1);
    assert!(refused.iter().all(|answer| answer.reason() == "no_wholesale_credit"), "{refused:?}");
    for n in 0..10 {
        let rich = app.show(&format!("rich{n}")).await;
        assert!(rich.held == money("0") || rich.calls == 1, "a refused call leaves no hold at the client");
    }
    for granted in allowed {
        app.talk(&granted.allowed(), 1_000).await;
    }
    app.assert_right().await;
}

#[tokio::test]
async fn a_second_call_waits_for_credit_held_by_the_first() {
    let app = TestApp::start().await;
    app.furnish().await;
    app.leave("alice", "0.062076").await;
    let first = app.dial("alice", BERLIN).await.allowed();
    assert_eq!(app.show("alice").await.available, money("0"));
    assert_eq!(app.dial("alice", BERLIN).await.reason(), "no_credit");
    app.talk(&first, 30_000).await;
    let second = app.dial("alice", BERLIN).await.allowed();
    assert_eq!(second.talk_ms, 29_700, "what the first call left");
    assert!(app.end(&second, &End::busy()).await);
    app.assert_right().await;
}

#[tokio::test]
async fn a_first_block_that_cannot_be_paid_is_refused_and_one_that_can_is_granted() {
    let app = TestApp::start().await;
    app.furnish().await;
    // London: 0.012 + 0.096 for the first minute.
    app.leave("alice", "0.107999").await;
    assert_eq!(app.dial("alice", LONDON).await.reason(), "no_credit");
    app.leave("alice", "0.108").await;
    let granted = app.dial("alice", LONDON).await.allowed();
    assert_eq!(granted.talk_ms, 59_700);
    assert_eq!(app.held("alice").await, "0.108");
    assert!(app.end(&granted, &End::busy()).await);
}

#[tokio::test]
async fn a_credit_limit_is_credit() {
    let app = TestApp::start().await;
    app.furnish().await;
    app.leave("alice", "0").await;
    assert_eq!(app.dial("alice", BERLIN).await.reason(), "no_credit");
    app.set("alice", AccountChange { credit_limit: Some(money("0.062076")), ..AccountChange::default() })
        .await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    app.talk(&granted, 60_000).await;
    assert_eq!(app.balance("alice").await, "-0.062076");
    assert_eq!(app.dial("alice", BERLIN).await.reason(), "no_credit");
    app.assert_right().await;
}

#[tokio::test]
async fn credit_that_a_call_holds_cannot_be_taken_back() {
    let app = TestApp::start().await;
    app.furnish().await;
    app.leave("alice", "1").await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    let taken = tollgate::accounts::ops::credit(&app.services, "alice", money("-0.5"), "back").await;
    assert!(taken.unwrap_err().to_string().contains("available"));
    assert!(app.end(&granted, &End::busy()).await);
    app.credit("alice", "-0.5").await;
    assert_eq!(app.balance("alice").await, "0.5");
    app.assert_right().await;
}

#[tokio::test]
async fn a_refusal_for_want_of_a_route_gives_every_hold_back() {
    let app = TestApp::start().await;
    app.furnish().await;
    assert_eq!(app.dial("alice", FRANCE).await.reason(), "no_route");
    for login in ["alice", "acme"] {
        let view = app.show(login).await;
        assert_eq!((view.held, view.calls), (money("0"), 0), "{login}");
    }
    app.assert_right().await;
}
