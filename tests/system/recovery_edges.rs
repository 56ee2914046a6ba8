//! What a call is charged when much has happened since it was heard of last: restarts, lost links, stepping clocks, holds
//! that ended, unique ids that come twice.

use tollgate::calls::Channel;
use tollgate::calls::orders::Steer;
use tollgate::calls::request::SettleRequest;
use tollgate::calls::unsettled;
use tollgate::clock::Clock as _;
use tollgate::config::{Config, OnLinkLoss, Reserve};
use tollgate::ledger::DurationSource;
use tollgate_rating::Money;

use crate::app::TestApp;
use crate::app::database::Database;
use crate::app::decks::BERLIN;
use crate::app::house::money;
use crate::app::phone::{Dial, End, Granted};

const SERVER: &str = "pbx1";
const CALLED: &str = "PJSIP/first-endpoint-00000007";

fn run_to_grant(config: &mut Config) {
    config.credit.slice_seconds = 10;
    config.credit.on_link_loss = OnLinkLoss::RunToGrant;
}

fn full(config: &mut Config) {
    config.credit.reserve = Reserve::Full;
}

async fn house(change: impl FnOnce(&mut Config)) -> TestApp {
    let app = TestApp::start_with(change).await;
    app.furnish().await;
    app.calls.add_server(SERVER);
    app.calls.link_up(SERVER);
    app
}

/// The node again, so much later than it stopped, linked.
async fn again(database: Database, later_ms: u32, change: impl FnOnce(&mut Config)) -> TestApp {
    let app = TestApp::on(database, change).await;
    app.calls.add_server(SERVER);
    app.calls.link_up(SERVER);
    app.clock.advance_ms(later_ms);
    app.until_admitting().await;
    app
}

async fn answered(app: &TestApp) -> Granted {
    app.until_admitting().await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    let at_ms = i64::try_from(app.clock.monotonic_ms()).unwrap();
    app.calls.answered(SERVER, &granted.dial.unique_id, CALLED, at_ms);
    granted
}

/// Time passes; the meter passes too, and Asterisk takes every end.
fn pass(app: &TestApp, seconds: u32) {
    for _ in 0..seconds * 4 {
        app.clock.advance_ms(250);
        take_ends(app);
    }
}

fn take_ends(app: &TestApp) {
    for order in app.calls.meter(app.clock.monotonic_ms()).ends {
        if let Steer::End { key, end_ms, .. } = order {
            app.calls.end_pushed(&key, end_ms, true);
        }
    }
}

fn up(granted: &Granted) -> Vec<Channel> {
    let caller = granted.dial.unique_id.clone();
    let channel = |name: &str, unique_id: String, is_caller| Channel {
        name: name.to_owned(),
        unique_id,
        linked_id: caller.clone(),
        is_up: true,
        has_ended: false,
        is_caller,
    };
    vec![channel("PJSIP/alice-00000006", caller.clone(), true), channel(CALLED, format!("{caller}0"), false)]
}

/// So many seconds to Berlin at 0.062076 a minute, half-up to six decimals.
fn berlin(seconds: i64) -> Money {
    Money::from_nanos((62_076_000 * seconds + 30_000) / 60_000 * 1_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_was_last_heard_of_at_its_answer_is_not_charged_up_to_now() {
    let app = house(full).await;
    let granted = answered(&app).await;
    let key = app.calls.live_calls()[0].key.clone();
    let heard_ms = app.clock.monotonic_ms();
    app.calls.link_down(SERVER, heard_ms);
    app.clock.advance_ms(1_800_000);
    assert_eq!(app.calls.restarted(SERVER, heard_ms), 1);
    app.calls.settle_gone(&key).await.unwrap().unwrap();
    let cdr = app.cdr(&granted.dial).await;
    assert_eq!((cdr.answered_ms, cdr.charged_ms), (0, 0));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_power_cut_of_the_whole_box_a_call_ends_where_the_journal_knew_it_alive() {
    let app = house(full).await;
    let granted = answered(&app).await;
    app.clock.advance_ms(250);
    take_ends(&app);
    app.flush().await;
    let database = app.stop().await;
    let app = again(database, 1_800_000, full).await;
    let key = app.calls.live_calls()[0].key.clone();
    for _ in 0..2 {
        app.calls.take_in(SERVER, &[], app.clock.monotonic_ms());
    }
    app.calls.settle_gone(&key).await.unwrap().unwrap();
    let cdr = app.cdr(&granted.dial).await;
    assert!(cdr.charged_ms <= 1_000, "{}", cdr.charged_ms);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_run_to_grant_a_restart_forgets_no_end_that_was_pushed() {
    let app = house(run_to_grant).await;
    let granted = answered(&app).await;
    take_ends(&app);
    app.flush().await;
    let database = app.stop().await;
    let app = again(database, 60_000, run_to_grant).await;
    assert!(app.end(&granted, &End::answered(60_000)).await);
    assert_eq!(app.cdr(&granted.dial).await.charged_ms, 60_000);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_talked_before_an_end_was_moved_nearer_is_charged() {
    let app = house(run_to_grant).await;
    let granted = answered(&app).await;
    take_ends(&app);
    app.calls.link_down(SERVER, app.clock.monotonic_ms());
    let available = app.show("alice").await.available;
    app.credit("alice", &available.checked_neg().unwrap().to_string()).await;
    for _ in 0..240 {
        app.clock.advance_ms(250);
        assert!(app.calls.meter(app.clock.monotonic_ms()).ends.is_empty(), "nobody can be told");
    }
    app.calls.link_up(SERVER);
    take_ends(&app);
    app.until_admitting().await;
    assert!(app.end(&granted, &End::answered(60_000)).await);
    assert_eq!(app.cdr(&granted.dial).await.charged_ms, 60_000);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_steps_during_a_call_charges_neither_the_step_nor_the_ringing() {
    // Forwards; backwards without the sign that a dialplan took off; backwards.
    for told in [3_610_000_u64, 3_590_000, 0] {
        let app = house(|_| {}).await;
        let granted = app.dial("alice", BERLIN).await.allowed();
        app.clock.advance_ms(40_000);
        let at_ms = i64::try_from(app.clock.monotonic_ms()).unwrap();
        app.calls.answered(SERVER, &granted.dial.unique_id, CALLED, at_ms);
        app.clock.advance_ms(10_000);
        app.until_admitting().await;
        assert!(app.end(&granted, &End::answered(told)).await);
        let charged_ms = app.cdr(&granted.dial).await.charged_ms;
        assert!((10_000..=12_000).contains(&charged_ms), "{told}: {charged_ms}");
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_run_to_grant_a_call_that_begins_without_a_link_is_held_whole() {
    let app = house(run_to_grant).await;
    app.calls.link_down(SERVER, app.clock.monotonic_ms());
    let mut told_ms = 0;
    for _ in 0..8 {
        app.until_admitting().await;
        if let crate::app::phone::Answer::Allowed(granted) = app.dial("alice", BERLIN).await {
            told_ms += i64::try_from(granted.talk_ms).unwrap() + 300;
        }
        app.clock.advance_ms(1_000);
    }
    let alice = app.show("alice").await;
    assert!(told_ms > 14_400_000, "{told_ms}");
    assert!(alice.held >= berlin(told_ms / 1_000 - 8), "{} held for {told_ms} ms", alice.held);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topped_up_call_whose_hold_ended_in_an_outage_is_charged_for_all_that_it_talked() {
    let app = house(|_| {}).await;
    app.leave("alice", "0.04").await;
    let granted = answered(&app).await;
    assert!(granted.talk_ms < 40_000);
    app.credit("alice", "50").await;
    pass(&app, 100);
    app.flush().await;
    let database = app.stop().await;
    let app = again(database, 700_000, |_| {}).await;
    app.calls.sweep().await;
    assert_eq!(app.calls.open_calls(), 1, "it is waited for");
    assert_eq!(app.show("alice").await.held, money("0"), "and holds nothing any more");
    let now_us = app.clock.now().as_microsecond();
    let value =
        format!("1|{}|150000|ANSWER|16|1|{SERVER}|1|{}|{now_us}|x|", granted.ticket, now_us - 150_000_000);
    let request: SettleRequest = unsettled::read(&format!("{}.1", granted.dial.unique_id), &value).unwrap();
    app.calls.settle_from(&request, DurationSource::Astdb).await.unwrap();
    let cdr = app.cdr(&granted.dial).await;
    assert_eq!((cdr.answered_ms, cdr.charged_ms), (150_000, 150_000));
    app.until_admitting().await;
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_hold_ended_and_that_turns_out_to_be_alive_is_metered_again() {
    let app = house(|_| {}).await;
    app.calls.link_down(SERVER, app.clock.monotonic_ms());
    let granted = app.dial("alice", BERLIN).await.allowed();
    app.clock.advance_ms(300_000);
    app.until_admitting().await;
    app.calls.sweep().await;
    assert_eq!((app.calls.open_calls(), app.show("alice").await.held), (1, money("0")));
    app.calls.link_up(SERVER);
    let seen = app.calls.take_in(SERVER, &up(&granted), app.clock.monotonic_ms());
    assert_eq!((seen.missing, seen.strangers.len(), seen.answered.len()), (0, 0, 1));
    let at_ms = i64::try_from(app.clock.monotonic_ms()).unwrap() - 290_000;
    app.calls.was_answered(SERVER, &granted.dial.unique_id, CALLED, at_ms);
    take_ends(&app);
    let held = app.show("alice").await.held;
    assert!(held >= berlin(290 + 119) && held <= berlin(290 + 121), "{held}");
    assert!(app.end(&granted, &End::answered(290_000)).await);
    assert_eq!(app.cdr(&granted.dial).await.charged_ms, 290_000);
    app.until_admitting().await;
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_cannot_be_alive_any_more_is_given_up() {
    let app = house(|config| config.credit.max_call_seconds = 600).await;
    answered(&app).await;
    app.calls.link_down(SERVER, app.clock.monotonic_ms());
    for _ in 0..3 {
        app.clock.advance_ms(300_000);
        app.until_admitting().await;
        app.calls.sweep().await;
    }
    assert_eq!(app.calls.open_calls(), 0);
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unique_id_that_comes_again_after_a_restart_is_another_call_and_charged() {
    let app = house(|_| {}).await;
    let first = answered(&app).await;
    app.clock.advance_ms(10_000);
    app.until_admitting().await;
    assert!(app.end(&first, &End::answered(10_000)).await);
    let database = app.stop().await;
    let app = again(database, 60_000, |_| {}).await;
    let dial = Dial { unique_id: first.dial.unique_id.clone(), ..Dial::new("alice", BERLIN) };
    let second = dial.ask(app.fastagi).await.allowed();
    app.clock.advance_ms(100_000);
    app.until_admitting().await;
    for _ in 0..2 {
        assert!(app.end(&second, &End::answered(100_000)).await);
    }
    let left = money("100").checked_sub(berlin(10)).unwrap().checked_sub(berlin(100)).unwrap();
    assert_eq!(app.balance("alice").await, left.to_string(), "once");
    assert_eq!(app.dispositions().await.len(), 2);
    app.until_admitting().await;
    app.assert_right().await;
    app.stop().await;
}
