//! Every reason for which a call is refused, and its record.

use crate::app::TestApp;
use crate::app::book::number;
use crate::app::database::on_both;
use crate::app::decks::{BERLIN, FRANCE, LONDON, MOBILE, NOWHERE, SATELLITE};
use crate::app::house::money;
use crate::app::phone::{Answer, Dial, End};
use std::time::{Duration, Instant};
use tollgate::accounts::ops::AccountChange;
use tollgate::calls::refusal::Reason;

/// Asks, and proves that the refusal is answered with `reason` and its cause, recorded so, and holds nothing.
async fn refused(app: &TestApp, dial: Dial, reason: Reason) {
    let answer = dial.ask(app.fastagi).await;
    let Answer::Refused { reason: said, cause } = answer else {
        panic!("{} was not refused: {answer:?}", reason.as_str())
    };
    assert_eq!((said.as_str(), cause), (reason.as_str(), reason.cause().to_string()));
    let cdr = app.cdr(&dial).await;
    assert_eq!((cdr.disposition.as_str(), cdr.reason.as_deref()), ("refused", Some(reason.as_str())));
    assert_eq!((cdr.endpoint, cdr.dialled), (dial.endpoint, dial.dialled));
    assert!(cdr.payers.iter().all(|payer| payer.charge == 0), "a refused call costs nothing");
}

/// A call from an address of its own, so that records of refusals are not capped.
fn from_address(endpoint: &str, number: &str, last: u8) -> Dial {
    Dial { source: format!("198.51.100.{last}:5060"), ..Dial::new(endpoint, number) }
}

fn change() -> AccountChange {
    AccountChange::default()
}

on_both!(every_reason_is_answered_and_recorded, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    app.client("bob", Some("acme"), "retail").await;
    app.credit("bob", "10").await;

    refused(&app, from_address("stranger", BERLIN, 1), Reason::UnknownPeer).await;
    refused(&app, from_address("acme", BERLIN, 2), Reason::UnknownPeer).await;
    refused(&app, from_address("alice", "0301234", 3), Reason::BadNumber).await;
    refused(&app, from_address("alice", "4930*12", 4), Reason::BadNumber).await;
    refused(&app, from_address("alice", "4930123456789012", 5), Reason::BadNumber).await;
    refused(&app, from_address("alice", NOWHERE, 6), Reason::NoRate).await;
    refused(&app, from_address("alice", SATELLITE, 7), Reason::Blocked).await;
    refused(&app, from_address("alice", FRANCE, 8), Reason::NoRoute).await;
    refused(&app, from_address("alice", MOBILE, 9), Reason::NoRoute).await;

    app.set("bob", AccountChange { active: Some(false), ..change() }).await;
    refused(&app, from_address("bob", BERLIN, 10), Reason::Inactive).await;
    app.set("bob", AccountChange { active: Some(true), ..change() }).await;
    app.set("acme", AccountChange { active: Some(false), ..change() }).await;
    refused(&app, from_address("bob", BERLIN, 11), Reason::Inactive).await;
    app.set("acme", AccountChange { active: Some(true), ..change() }).await;

    app.leave("bob", "0").await;
    refused(&app, from_address("bob", BERLIN, 12), Reason::NoCredit).await;
    app.leave("bob", "10").await;
    app.leave("acme", "0").await;
    refused(&app, from_address("bob", BERLIN, 13), Reason::NoWholesaleCredit).await;
    app.leave("acme", "10").await;

    app.set("bob", AccountChange { blocked_prefixes: Some(vec!["4930".to_owned()]), ..change() }).await;
    refused(&app, from_address("bob", BERLIN, 14), Reason::Blocked).await;
    app.set("bob", AccountChange { blocked_prefixes: Some(Vec::new()), ..change() }).await;
    app.set("acme", AccountChange { blocked_prefixes: Some(vec!["49".to_owned()]), ..change() }).await;
    refused(&app, from_address("bob", BERLIN, 15), Reason::Blocked).await;
    app.set("acme", AccountChange { blocked_prefixes: Some(Vec::new()), ..change() }).await;
    app.set("bob", AccountChange { max_price: Some(Some(money("0.062075"))), ..change() }).await;
    refused(&app, from_address("bob", BERLIN, 16), Reason::Blocked).await;
    app.set("bob", AccountChange { max_price: Some(Some(money("0.062076"))), ..change() }).await;

    app.set("bob", AccountChange { max_calls: Some(Some(1)), ..change() }).await;
    let one = app.dial("bob", BERLIN).await.allowed();
    refused(&app, from_address("bob", BERLIN, 17), Reason::CallLimit).await;
    assert!(app.end(&one, &End::busy()).await);
    app.set("bob", AccountChange { max_calls: Some(None), calls_per_second: Some(Some(1)), ..change() }).await;
    let one = app.dial("bob", BERLIN).await.allowed();
    refused(&app, from_address("bob", BERLIN, 18), Reason::CpsLimit).await;
    assert!(app.end(&one, &End::busy()).await);
    app.set("bob", AccountChange { calls_per_second: Some(None), daily_spend: Some(Some(money("0.0001"))), ..change() })
        .await;
    refused(&app, from_address("bob", BERLIN, 19), Reason::DailyLimit).await;
    app.set("bob", AccountChange { daily_spend: Some(None), ..change() }).await;

    app.calls.drain();
    refused(&app, from_address("alice", BERLIN, 20), Reason::Unavailable).await;
    app.assert_right().await;
    app.stop().await;
});

#[tokio::test]
async fn a_route_at_a_loss_is_taken_when_the_operator_says_so() {
    let app = TestApp::start().await;
    app.furnish().await;
    assert_eq!(app.dial("alice", MOBILE).await.reason(), "no_route");
    app.set("alice", AccountChange { allow_loss: Some(true), ..change() }).await;
    let granted = app.dial("alice", MOBILE).await.allowed();
    app.talk(&granted, 60_000).await;
    let cdr = app.cdr(&granted.dial).await;
    assert_eq!((cdr.buy_cost, cdr.margin), (Some(50_000_000), 30_000_000 - 50_000_000));
    app.assert_right().await;
}

#[tokio::test]
async fn a_reason_is_named_by_the_first_rule_that_refuses() {
    let app = TestApp::start().await;
    app.furnish().await;
    // Broke and dialling nonsense: the number is what the caller can mend.
    app.leave("alice", "0").await;
    assert_eq!(app.dial("alice", "12*34").await.reason(), "bad_number");
    assert_eq!(app.dial("alice", NOWHERE).await.reason(), "no_rate");
    assert_eq!(app.dial("alice", FRANCE).await.reason(), "no_credit");
    app.set("alice", AccountChange { active: Some(false), ..change() }).await;
    assert_eq!(app.dial("alice", LONDON).await.reason(), "inactive");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_refusals_is_recorded_up_to_a_cap_then_counted_and_slows_nobody() {
    const FLOOD: usize = 1_000;
    let app = TestApp::start().await;
    app.furnish().await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    let (fastagi, began) = (app.fastagi, Instant::now());
    let scanners: Vec<_> = (0..10)
        .map(|_| {
            tokio::spawn(async move {
                let mut slowest = Duration::ZERO;
                for _ in 0..FLOOD / 10 {
                    let asked = Instant::now();
                    let answer = Dial::new("scanner", BERLIN).ask(fastagi).await;
                    slowest = slowest.max(asked.elapsed());
                    assert_eq!(answer.reason(), "unknown_peer");
                }
                slowest
            })
        })
        .collect();
    app.talk(&granted, 3_000).await;
    for scanner in scanners {
        let slowest = scanner.await.unwrap();
        assert!(slowest < Duration::from_secs(1), "an answer took {slowest:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(30), "{FLOOD} refusals took {:?}", began.elapsed());
    app.flush().await;
    let store = &app.services.store;
    let recorded = number(store, "SELECT COUNT(*) FROM cdrs WHERE refused_reason = 'unknown_peer'").await;
    let counted = number(store, "SELECT COALESCE(CAST(SUM(count) AS BIGINT), 0) FROM refusal_counts").await;
    assert!((1..=20).contains(&recorded), "{recorded} records of one source");
    assert_eq!(recorded + counted, i64::try_from(FLOOD).unwrap());
    let kinds = number(store, "SELECT COUNT(*) FROM refusal_counts WHERE source LIKE '192.0.2.7%'").await;
    assert!((1..=2).contains(&kinds), "counted by source and minute: {kinds}");
    app.assert_right().await;
}
