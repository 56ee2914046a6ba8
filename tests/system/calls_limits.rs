//! Limits beside money, and what shapes a grant.

use crate::app::TestApp;
use crate::app::decks::BERLIN;
use crate::app::house::money;
use crate::app::phone::{Dial, End, Granted};
use tollgate::accounts::ops::AccountChange;
use tollgate::catalog::admin::trunks::TrunkSpec;

fn change() -> AccountChange {
    AccountChange::default()
}

#[tokio::test]
async fn calls_at_once_are_counted_at_every_level() {
    let app = TestApp::start().await;
    app.furnish().await;
    app.client("bob", Some("acme"), "retail").await;
    app.credit("bob", "100").await;
    app.set("acme", AccountChange { max_calls: Some(Some(2)), ..change() }).await;
    let first = app.dial("alice", BERLIN).await.allowed();
    let second = app.dial("bob", BERLIN).await.allowed();
    assert_eq!(app.dial("alice", BERLIN).await.reason(), "call_limit");
    app.talk(&first, 1_000).await;
    let third = app.dial("alice", BERLIN).await.allowed();
    for granted in [second, third] {
        assert!(app.end(&granted, &End::busy()).await);
    }
    app.assert_right().await;
}

#[tokio::test]
async fn calls_a_second_are_counted_in_any_second() {
    let app = TestApp::start().await;
    app.furnish().await;
    app.set("alice", AccountChange { calls_per_second: Some(Some(2)), ..change() }).await;
    let mut open: Vec<Granted> = Vec::new();
    for expected in [true, true, false, false] {
        let answer = app.dial("alice", BERLIN).await;
        assert_eq!(answer.is_allowed(), expected, "{answer:?}");
        if expected {
            open.push(answer.allowed());
        }
    }
    app.clock.advance_ms(999);
    assert_eq!(app.dial("alice", BERLIN).await.reason(), "cps_limit");
    app.clock.advance_ms(1);
    open.push(app.dial("alice", BERLIN).await.allowed());
    for granted in &open {
        assert!(app.end(granted, &End::busy()).await);
    }
}

#[tokio::test]
async fn a_days_spend_ends_at_the_limit_and_begins_anew_the_next_day() {
    let app = TestApp::start().await;
    app.furnish().await;
    // Two minutes a day.
    app.set("alice", AccountChange { daily_spend: Some(Some(money("0.124152"))), ..change() }).await;
    let first = app.dial("alice", BERLIN).await.allowed();
    assert_eq!(first.talk_ms, 119_700, "the day's limit bounds the grant");
    app.talk(&first, 90_000).await;
    let second = app.dial("alice", BERLIN).await.allowed();
    assert_eq!(second.talk_ms, 29_700);
    app.talk(&second, 30_000).await;
    assert_eq!(app.dial("alice", BERLIN).await.reason(), "daily_limit");
    // Noon until midnight, UTC being the plan's zone.
    app.advance_ms(12 * 3_600_000).await;
    let third = app.dial("alice", BERLIN).await.allowed();
    assert_eq!(third.talk_ms, 119_700);
    assert!(app.end(&third, &End::busy()).await);
    app.assert_right().await;
}

#[tokio::test]
async fn what_was_spent_today_still_counts_after_a_restart() {
    let app = TestApp::start().await;
    app.furnish().await;
    app.set("alice", AccountChange { daily_spend: Some(Some(money("0.124152"))), ..change() }).await;
    let first = app.dial("alice", BERLIN).await.allowed();
    app.talk(&first, 120_000).await;
    let app = TestApp::on(app.stop().await, |_| {}).await;
    assert_eq!(app.dial("alice", BERLIN).await.reason(), "daily_limit");
}

#[tokio::test]
async fn the_shortest_cap_of_operator_and_chain_bounds_a_call() {
    let app = TestApp::start_with(|config| config.credit.max_call_seconds = 7_200).await;
    app.furnish().await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    assert_eq!((granted.limit_ms, granted.ring_s), (7_200_000, 90));
    assert!(app.end(&granted, &End::busy()).await);
    app.set("acme", AccountChange { max_call_seconds: Some(Some(600)), ..change() }).await;
    app.set("alice", AccountChange { max_call_seconds: Some(Some(900)), ..change() }).await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    assert_eq!((granted.limit_ms, granted.talk_ms), (600_000, 599_700));
    assert!(app.end(&granted, &End::busy()).await);
}

#[tokio::test]
async fn numbers_are_dialled_as_the_accounts_rules_say() {
    let app = TestApp::start().await;
    app.furnish().await;
    for dialled in ["493012345678", "00493012345678", "+493012345678"] {
        let granted = app.dial("alice", dialled).await.allowed();
        assert_eq!(granted.routes[0], "PJSIP/493012345678@first-endpoint", "{dialled}");
        assert!(app.end(&granted, &End::busy()).await);
        let cdr = app.cdr(&granted.dial).await;
        assert_eq!((cdr.dialled.as_str(), cdr.number.as_deref()), (dialled, Some("493012345678")));
    }
    app.set("alice", AccountChange { dial_rules: Some(Some("00=>,0=>49".to_owned())), ..change() }).await;
    let granted = app.dial("alice", "03012345678").await.allowed();
    assert_eq!(granted.routes[0], "PJSIP/493012345678@first-endpoint");
    assert!(app.end(&granted, &End::busy()).await);
}

#[tokio::test]
async fn the_account_decides_the_caller_number_that_is_shown() {
    let app = TestApp::start().await;
    app.furnish().await;
    let granted =
        Dial { caller: "4930111".to_owned(), ..Dial::new("alice", BERLIN) }.ask(app.fastagi).await.allowed();
    assert_eq!(granted.callerid, "4930111");
    assert!(app.end(&granted, &End::busy()).await);
    app.set("alice", AccountChange { callerid: Some(Some("+4940222".to_owned())), ..change() }).await;
    let granted =
        Dial { caller: "4930111".to_owned(), ..Dial::new("alice", BERLIN) }.ask(app.fastagi).await.allowed();
    assert_eq!(granted.callerid, "+4940222");
    assert!(app.end(&granted, &End::busy()).await);
}

#[tokio::test]
async fn a_full_trunk_is_left_out_until_a_call_on_it_ends() {
    let app = TestApp::start().await;
    app.furnish().await;
    app.tariff("cheap", "prefix,price_per_minute\n49,0.001\n").await;
    app.trunk(TrunkSpec {
        max_calls: Some(1),
        strip: "49".to_owned(),
        prepend: "0".to_owned(),
        ..TrunkSpec::new("narrow", "narrow-endpoint", "cheap")
    })
    .await;
    let first = app.dial("alice", BERLIN).await.allowed();
    assert_eq!(first.routes[0], "PJSIP/03012345678@narrow-endpoint");
    assert_eq!(first.routes.len(), 3);
    let second = app.dial("alice", BERLIN).await.allowed();
    assert_eq!(second.routes.len(), 2, "{:?}", second.routes);
    app.talk(&first, 1_000).await;
    let third = app.dial("alice", BERLIN).await.allowed();
    assert_eq!(third.routes[0], "PJSIP/03012345678@narrow-endpoint");
    for granted in [second, third] {
        assert!(app.end(&granted, &End::busy()).await);
    }
}

#[tokio::test]
async fn a_grant_offers_no_more_routes_than_configured() {
    let app = TestApp::start_with(|config| config.routing.max_routes = 1).await;
    app.furnish().await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    assert_eq!(granted.routes, [format!("PJSIP/{BERLIN}@first-endpoint")]);
    assert!(app.end(&granted, &End::busy()).await);
}
