//! Calls whose end nobody told: a server's word, its records, and the last proof of life.

use tollgate::calls::Channel;
use tollgate::calls::request::SettleRequest;
use tollgate::calls::settle::SettleOutcome;
use tollgate::calls::unsettled;
use tollgate::clock::Clock as _;
use tollgate::ledger::{DurationSource, Settled};

use crate::app::TestApp;
use crate::app::decks::BERLIN;
use crate::app::house::money;
use crate::app::phone::{End, Granted};

const SERVER: &str = "pbx1";
const CALLED: &str = "PJSIP/first-endpoint-00000007";

fn now_ms(app: &TestApp) -> i64 {
    i64::try_from(app.clock.monotonic_ms()).unwrap()
}

/// A call of `alice`, answered at once.
async fn answered(app: &TestApp) -> Granted {
    app.until_admitting().await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    app.calls.answered(SERVER, &granted.dial.unique_id, CALLED, now_ms(app));
    granted
}

/// What a list shows of a call that is up.
fn channels(granted: &Granted, context_ended: bool) -> Vec<Channel> {
    let caller = granted.dial.unique_id.clone();
    vec![
        Channel {
            name: "PJSIP/alice-00000006".to_owned(),
            unique_id: caller.clone(),
            linked_id: caller.clone(),
            is_up: true,
            has_ended: context_ended,
            is_caller: !context_ended,
        },
        Channel {
            name: CALLED.to_owned(),
            unique_id: format!("{caller}0"),
            linked_id: caller,
            is_up: true,
            has_ended: false,
            is_caller: false,
        },
    ]
}

fn look(app: &TestApp, channels: &[Channel]) -> tollgate::calls::reconcile::Seen {
    app.calls.take_in(SERVER, channels, app.clock.monotonic_ms())
}

async fn house() -> TestApp {
    let app = TestApp::start().await;
    app.furnish().await;
    app.calls.add_server(SERVER);
    app.calls.link_up(SERVER);
    app
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_two_lists_miss_is_settled_once_at_its_last_proof_of_life() {
    let app = house().await;
    let granted = answered(&app).await;
    let key = app.calls.live_calls()[0].key.clone();
    app.clock.advance_ms(20_000);
    assert_eq!(look(&app, &channels(&granted, false)).missing, 0);
    app.clock.advance_ms(10_000);
    assert_eq!(look(&app, &[]).missing, 1);
    assert!(app.calls.settle_gone(&key).await.unwrap().is_none(), "one list proves nothing");
    // Seen again: the first list was wrong.
    look(&app, &channels(&granted, false));
    app.clock.advance_ms(5_000);
    look(&app, &[]);
    assert!(app.calls.settle_gone(&key).await.unwrap().is_none());
    app.clock.advance_ms(2_000);
    look(&app, &[]);
    assert!(app.calls.settle_gone(&key).await.unwrap().is_some());
    let cdr = app.cdr(&granted.dial).await;
    assert_eq!((cdr.answered_ms, cdr.charged_ms), (30_000, 30_000), "to the last list that had it");
    assert_eq!((cdr.disposition.as_str(), cdr.route, cdr.trunk.as_deref()), ("answered", 1, Some("first")));
    assert_eq!(app.show("alice").await.held, money("0"));
    // Without its ticket nobody changes that; with it the exact end counts, as far as our own clock saw it.
    app.until_admitting().await;
    assert!(app.end(&granted, &End::answered(0).with_ticket("")).await);
    assert_eq!(app.cdr(&granted.dial).await.charged_ms, 30_000);
    assert!(app.end(&granted, &End::answered(60_000)).await);
    assert_eq!(app.cdr(&granted.dial).await.charged_ms, 39_000);
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_says_a_call_ended_is_a_hint_that_a_list_takes_back() {
    let app = house().await;
    let granted = answered(&app).await;
    let key = app.calls.live_calls()[0].key.clone();
    app.clock.advance_ms(10_000);
    assert!(app.calls.ending(SERVER, &granted.dial.unique_id, app.clock.monotonic_ms()));
    assert!(
        !app.calls.ending(SERVER, "pbx1-1700000000.999", 0),
        "of a call that nobody knows there is no end"
    );
    look(&app, &channels(&granted, false));
    app.clock.advance_ms(10_000);
    app.calls.ending(SERVER, &granted.dial.unique_id, app.clock.monotonic_ms());
    app.clock.advance_ms(3_000);
    look(&app, &[]);
    look(&app, &[]);
    app.calls.settle_gone(&key).await.unwrap().unwrap();
    assert_eq!(app.cdr(&granted.dial).await.answered_ms, 10_000, "charged up to the list that had it last");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_in_its_hangup_handler_is_neither_alive_nor_missing() {
    let app = house().await;
    let granted = answered(&app).await;
    app.clock.advance_ms(8_000);
    for _ in 0..3 {
        assert_eq!(look(&app, &channels(&granted, true)).missing, 0);
        app.clock.advance_ms(2_000);
    }
    assert_eq!(app.calls.open_calls(), 1);
    app.until_admitting().await;
    assert!(app.end(&granted, &End::answered(8_000)).await);
    assert_eq!(app.cdr(&granted.dial).await.answered_ms, 8_000);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_granted_after_the_list_was_asked_for_is_not_missing_in_it() {
    let app = house().await;
    let asked_ms = app.clock.monotonic_ms();
    app.clock.advance_ms(1);
    answered(&app).await;
    assert_eq!(app.calls.take_in(SERVER, &[], asked_ms).missing, 0);
    assert_eq!(app.calls.take_in("pbx2", &[], app.clock.monotonic_ms()).missing, 0, "another server's list");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_asterisk_was_started_anew_its_old_calls_end_where_it_was_heard_last() {
    let app = house().await;
    let old = answered(&app).await;
    app.clock.advance_ms(12_000);
    let heard_ms = app.clock.monotonic_ms();
    app.clock.advance_ms(1_000);
    app.calls.link_down(SERVER, heard_ms);
    app.clock.advance_ms(30_000);
    let new = answered(&app).await;
    assert_eq!(app.calls.restarted(SERVER, heard_ms), 1);
    let keys: Vec<_> = app.calls.live_calls().into_iter().map(|call| call.key).collect();
    for key in &keys {
        app.calls.settle_gone(key).await.unwrap();
    }
    assert_eq!(app.cdr(&old.dial).await.answered_ms, 12_000);
    assert_eq!(app.cdr_count(&new.dial).await, 0, "a call of the new Asterisk goes on");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ringing_call_that_is_gone_costs_nothing() {
    let app = house().await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    let key = app.calls.live_calls()[0].key.clone();
    app.clock.advance_ms(5_000);
    look(&app, &[]);
    look(&app, &[]);
    app.calls.settle_gone(&key).await.unwrap().unwrap();
    let cdr = app.cdr(&granted.dial).await;
    assert_eq!((cdr.disposition.as_str(), cdr.charged_ms), ("cancelled", 0));
    assert_eq!(app.balance("alice").await, "100");
    app.until_admitting().await;
    app.assert_right().await;
    app.stop().await;
}

/// The record that the hangup handler writes, as Asterisk shows it.
fn record(granted: &Granted, ms: u64, now_us: i64) -> (String, String) {
    let answer = now_us - i64::try_from(ms).unwrap() * 1_000;
    let value = format!(
        "1|{}|{ms}|ANSWER|16|1|{SERVER}|1|{answer}|{now_us}|1:ANSWER:16:{ms};|hung_up_by=caller;endpoint=alice",
        granted.ticket
    );
    (format!("{}.1", granted.dial.unique_id), value)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_asterisk_kept_is_settled_once_with_its_exact_duration() {
    let app = house().await;
    let granted = answered(&app).await;
    app.clock.advance_ms(31_000);
    let (name, value) = record(&granted, 30_500, app.clock.now().as_microsecond());
    let request: SettleRequest = unsettled::read(&name, &value).unwrap();
    let first = app.calls.settle_from(&request, DurationSource::Astdb).await.unwrap();
    let second = app.calls.settle_from(&request, DurationSource::Astdb).await.unwrap();
    assert!(matches!(first, SettleOutcome::Committed(Settled { duplicate: false, .. })), "{first:?}");
    assert!(second.is_duplicate(), "{second:?}");
    let cdr = app.cdr(&granted.dial).await;
    assert_eq!((cdr.answered_ms, cdr.charged_ms), (30_500, 30_500));
    app.until_admitting().await;
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_a_metered_call_is_charged_for_all_that_its_renewals_paid() {
    let app = TestApp::start_with(|config| config.credit.slice_seconds = 10).await;
    app.furnish().await;
    app.calls.add_server(SERVER);
    app.calls.link_up(SERVER);
    let granted = answered(&app).await;
    for _ in 0..120 {
        app.clock.advance_ms(250);
        for order in app.calls.meter(app.clock.monotonic_ms()).ends {
            if let tollgate::calls::orders::Steer::End { key, end_ms, .. } = order {
                app.calls.end_pushed(&key, end_ms, true);
            }
        }
    }
    app.flush().await;
    let at = app.clock.now();
    let database = app.stop().await;
    let app = TestApp::on(database, |config| config.credit.slice_seconds = 10).await;
    let since_noon = at.duration_since(crate::app::noon());
    app.clock.advance_ms(u32::try_from(since_noon.as_millis()).unwrap());
    app.until_admitting().await;
    assert_eq!(app.calls.open_calls(), 1);
    let live = app.calls.live_calls().remove(0);
    assert!((35..=40).contains(&live.funded_seconds), "{live:?}");
    assert!(app.end(&granted, &End::answered(29_500)).await);
    let cdr = app.cdr(&granted.dial).await;
    assert_eq!((cdr.answered_ms, cdr.charged_ms), (29_500, 29_500));
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_opening_was_lost_is_found_by_the_ticket_on_its_channel() {
    let app = house().await;
    let granted = answered(&app).await;
    app.flush().await;
    app.services.store.delete_open_call(&app.calls.live_calls()[0].key).await.unwrap();
    let database = app.stop().await;
    let app = TestApp::on(database, |_| {}).await;
    app.calls.add_server(SERVER);
    app.calls.link_up(SERVER);
    assert_eq!(app.calls.open_calls(), 0);
    let list = channels(&granted, false);
    let seen = look(&app, &list);
    assert_eq!(seen.strangers, [list[0].clone()]);
    assert!(app.calls.adopt_ticket(SERVER, &granted.ticket, &list[0]).await.unwrap());
    assert!(!app.calls.adopt_ticket(SERVER, &granted.ticket, &list[0]).await.unwrap(), "once");
    assert!(app.show("alice").await.held > money("0"), "its credit is held again");
    let seen = look(&app, &list);
    assert!(seen.strangers.is_empty() && seen.answered.len() == 1);
    let mut forged = granted.ticket.clone();
    forged.replace_range(10..11, if &forged[10..11] == "A" { "B" } else { "A" });
    assert!(app.calls.adopt_ticket(SERVER, &forged, &list[0]).await.is_err());
    assert!(app.calls.adopt_ticket("pbx2", &granted.ticket, &list[0]).await.is_err());
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wall_clock_that_steps_by_an_hour_changes_no_charge() {
    for step_ms in [3_600_000_i64, -3_600_000] {
        let app = house().await;
        let granted = answered(&app).await;
        app.clock.advance_ms(5_000);
        app.clock.step_wall_ms(step_ms);
        app.clock.advance_ms(5_000);
        app.until_admitting().await;
        // What Asterisk reckons from its wall clock: 10 s and the step, or nothing.
        let told = u64::try_from(10_000 + step_ms).unwrap_or(0);
        assert!(app.end(&granted, &End::answered(told)).await);
        let cdr = app.cdr(&granted.dial).await;
        assert!((10_000..=12_000).contains(&cdr.charged_ms), "{step_ms}: {}", cdr.charged_ms);
        app.assert_right().await;
        app.stop().await;
    }
}
