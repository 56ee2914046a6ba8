//! What an ended call costs whom.

use crate::app::TestApp;
use crate::app::book::PayerLine;
use crate::app::database::on_both;
use crate::app::decks::{BERLIN, LONDON};
use crate::app::phone::{Dial, End};

fn payer(login: &str, prefix: &str, price: i64, billed_seconds: i64, charge: i64) -> PayerLine {
    PayerLine { login: login.to_owned(), prefix: prefix.to_owned(), price, billed_seconds, charge }
}

on_both!(a_three_second_call_is_charged_to_everybody_to_the_nano_and_holds_nothing_afterwards, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    assert_eq!(app.held("alice").await, "14.89824", "four hours at 0.062076 a minute");
    assert_eq!(app.held("acme").await, "12.4152", "four hours at 0.05173 a minute");
    app.talk(&granted, 3_000).await;

    let cdr = app.cdr(&granted.dial).await;
    // 3 s at 0.062076, at 0.05173, at 0.01117 a minute: 0.0031038, 0.0025865 and 0.0005585, each rounded once.
    let (retail, wholesale, bought) = (3_104_000, 2_587_000, 559_000);
    assert_eq!(
        cdr.payers,
        [payer("alice", "4930", 62_076_000, 3, retail), payer("acme", "4930", 51_730_000, 3, wholesale)]
    );
    assert_eq!((cdr.buy_cost, cdr.margin), (Some(bought), wholesale - bought));
    assert_eq!((cdr.kind.as_str(), cdr.disposition.as_str(), cdr.reason), ("call", "answered", None));
    assert_eq!((cdr.trunk.as_deref(), cdr.route, cdr.overrun_ms), (Some("first"), 1, 0));
    assert_eq!((cdr.answered_ms, cdr.charged_ms), (3_000, 3_000));
    assert_eq!(cdr.number.as_deref(), Some(BERLIN));
    assert_eq!(cdr.destination.as_deref(), Some("Germany, Berlin"));
    assert_eq!(cdr.source.as_deref(), Some("192.0.2.7"));
    assert_eq!((app.balance("alice").await, app.held("alice").await), ("99.996896".into(), "0".into()));
    assert_eq!((app.balance("acme").await, app.held("acme").await), ("99.997413".into(), "0".into()));
    app.assert_right().await;
    app.stop().await;
});

#[tokio::test]
async fn a_connect_fee_and_whole_minutes_are_charged_with_the_markup_on_both() {
    let app = TestApp::start().await;
    app.furnish().await;
    let granted = app.dial("alice", LONDON).await.allowed();
    app.talk(&granted, 61_000).await;
    let cdr = app.cdr(&granted.dial).await;
    // Two minutes: 0.012 + 2 × 0.096, and 0.01 + 2 × 0.08; bought by the second: 61 s at 0.02.
    assert_eq!(
        cdr.payers,
        [
            payer("alice", "4420", 96_000_000, 120, 204_000_000),
            payer("acme", "4420", 80_000_000, 120, 170_000_000)
        ]
    );
    assert_eq!(cdr.buy_cost, Some(20_333_000));
    app.assert_right().await;
}

#[tokio::test]
async fn a_call_that_nobody_answered_costs_nothing_and_says_why() {
    let app = TestApp::start().await;
    app.furnish().await;
    for (end, disposition) in [
        (End::busy(), "busy"),
        (End::no_answer(), "no_answer"),
        (End::cancelled(), "cancelled"),
        (End::failed(2), "failed"),
    ] {
        let granted = app.dial("alice", LONDON).await.allowed();
        app.clock.advance_ms(900);
        assert!(app.end(&granted, &end).await);
        let cdr = app.cdr(&granted.dial).await;
        assert_eq!(cdr.disposition, disposition);
        assert!(cdr.payers.iter().all(|payer| payer.charge == 0 && payer.billed_seconds == 0), "{cdr:?}");
        assert_eq!((cdr.buy_cost.unwrap_or(0), cdr.margin), (0, 0), "{disposition}");
        assert_eq!(cdr.attempts.matches("CHANUNAVAIL").count(), if disposition == "failed" { 2 } else { 0 });
    }
    assert_eq!((app.balance("alice").await, app.held("alice").await), ("100".into(), "0".into()));
    app.assert_right().await;
}

#[tokio::test]
async fn a_call_over_the_second_route_is_bought_at_the_seconds_price() {
    let app = TestApp::start().await;
    app.furnish().await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    assert_eq!(
        granted.routes,
        [
            format!("PJSIP/{BERLIN}@first-endpoint"),
            format!("PJSIP/second-endpoint/sip:{BERLIN}@sip.second.example")
        ],
        "cheapest first"
    );
    app.clock.advance_ms(60_000);
    assert!(app.end(&granted, &End::answered_by(2, 60_000)).await);
    let cdr = app.cdr(&granted.dial).await;
    assert_eq!((cdr.trunk.as_deref(), cdr.route, cdr.buy_cost), (Some("second"), 2, Some(20_000_000)));
    assert_eq!(cdr.margin, 51_730_000 - 20_000_000);
    assert!(cdr.attempts.contains("CHANUNAVAIL") && cdr.attempts.contains("first"), "{}", cdr.attempts);
    app.assert_right().await;
}

#[tokio::test]
async fn nobody_is_charged_beyond_the_funded_end_however_long_asterisk_says_it_was() {
    let app = TestApp::start().await;
    app.furnish().await;
    app.leave("alice", "0.062076").await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    assert_eq!(granted.talk_ms, 59_700, "a minute is paid for, 300 ms of it are kept as a guard");
    app.clock.advance_ms(75_000);
    assert!(app.end(&granted, &End::answered(75_000)).await);
    let cdr = app.cdr(&granted.dial).await;
    assert_eq!((cdr.answered_ms, cdr.charged_ms, cdr.overrun_ms), (75_000, 60_000, 15_000));
    assert_eq!((cdr.payers[0].charge, cdr.payers[1].charge), (62_076_000, 51_730_000));
    assert_eq!(cdr.buy_cost, Some(13_963_000), "the carrier bills what was really talked");
    assert_eq!(app.balance("alice").await, "0");
    app.assert_right().await;
}

#[tokio::test]
async fn nobody_is_charged_for_more_than_two_seconds_beyond_what_our_own_clock_saw() {
    let app = TestApp::start().await;
    app.furnish().await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    app.clock.advance_ms(10_000);
    // Asterisk's wall clock jumped by an hour in between.
    assert!(app.end(&granted, &End::answered(3_610_000)).await);
    let cdr = app.cdr(&granted.dial).await;
    assert_eq!((cdr.answered_ms, cdr.charged_ms), (3_610_000, 12_000));
    assert_eq!(cdr.payers[0].billed_seconds, 12);
    app.assert_right().await;
}

#[tokio::test]
async fn a_call_through_four_payers_is_charged_to_each_at_its_own_price() {
    let app = TestApp::start().await;
    app.furnish().await;
    app.derived_plan("middle", "wholesale", "10").await;
    app.derived_plan("lower", "middle", "10").await;
    app.derived_plan("street", "lower", "10").await;
    app.reseller("mid", "middle", Some("acme")).await;
    app.reseller("low", "lower", Some("mid")).await;
    app.client("bob", Some("low"), "street").await;
    for login in ["mid", "low", "bob"] {
        app.credit(login, "50").await;
    }
    let granted = app.dial("bob", BERLIN).await.allowed();
    app.talk(&granted, 60_000).await;
    let cdr = app.cdr(&granted.dial).await;
    // 0.05173, then 10 % more at each level, rounded to the nano each time; the charge to six decimals.
    let charges: Vec<(&str, i64, i64)> =
        cdr.payers.iter().map(|payer| (payer.login.as_str(), payer.price, payer.charge)).collect();
    assert_eq!(
        charges,
        [
            ("bob", 68_852_630, 68_853_000),
            ("low", 62_593_300, 62_593_000),
            ("mid", 56_903_000, 56_903_000),
            ("acme", 51_730_000, 51_730_000),
        ]
    );
    app.assert_right().await;
}

#[tokio::test]
async fn an_emergency_call_is_recorded_free_without_a_grant() {
    let app = TestApp::start().await;
    app.furnish().await;
    app.leave("alice", "0").await;
    let dial = Dial::new("alice", "112");
    let mut end = End::answered(42_000).with_ticket("");
    end.extras =
        "kind=emergency;endpoint=alice;dialled=112;caller=4930111;source=192.0.2.7;sip_code=200".to_owned();
    let told = end.channel(&dial, "", 1_795_262_400_000_000).run(app.fastagi).await.unwrap();
    assert_eq!(told.variable("TG_SETTLED"), Some("1"));
    let cdr = app.cdr(&dial).await;
    assert_eq!((cdr.kind.as_str(), cdr.disposition.as_str()), ("emergency", "answered"));
    assert_eq!((cdr.endpoint.as_str(), cdr.dialled.as_str(), cdr.answered_ms), ("alice", "112", 42_000));
    assert_eq!((cdr.charged_ms, cdr.payers.len(), cdr.buy_cost), (0, 0, None));
    assert_eq!(app.balance("alice").await, "0");
    // Told twice, recorded once.
    end.channel(&dial, "", 1_795_262_400_000_000).run(app.fastagi).await.unwrap();
    assert_eq!(app.cdr_count(&dial).await, 1);
    app.assert_right().await;
}
