//! Clocks that step while calls are talked: the charge follows the time that passed, never the time that a clock claims.

use jiff::Timestamp;
use tollgate::accounts::ops::AccountChange;
use tollgate::clock::Clock as _;

use crate::app::TestApp;
use crate::app::decks::BERLIN;
use crate::app::house::money;
use crate::app::phone::End;

/// Moves the wall clock to `moment`; no time passes.
fn set_wall(app: &TestApp, moment: &str) {
    let moment: Timestamp = moment.parse().unwrap();
    app.clock.step_wall_ms(moment.as_millisecond() - app.clock.now().as_millisecond());
}

/// Moments at which clocks have failed other systems.
const MOMENTS: [&str; 11] = [
    // A machine without a battery.
    "1970-01-01T00:00:00Z",
    "1970-01-01T00:00:01Z",
    // Summer time begins and ends in Europe.
    "2027-03-28T00:59:59Z",
    "2026-10-25T00:59:59Z",
    // The second before a leap second that was, a leap day, and a year's end.
    "2016-12-31T23:59:59Z",
    "2028-02-29T23:59:59Z",
    "2026-12-31T23:59:59Z",
    // 32 bits of seconds end, with and without a sign.
    "2038-01-19T03:14:07Z",
    "2106-02-07T06:28:15Z",
    "2200-01-01T00:00:00Z",
    "9998-12-31T23:59:59Z",
];

#[tokio::test]
async fn a_wall_clock_that_steps_in_a_call_charges_the_time_that_passed() {
    for moment in MOMENTS {
        let app = TestApp::start().await;
        app.furnish().await;
        let granted = app.dial("alice", BERLIN).await.allowed();
        app.clock.advance_ms(3_000);
        let before = app.clock.now();
        set_wall(&app, moment);
        // Asterisk runs on the same machine: its wall clock made the same step, and its duration with it.
        let stepped = app.clock.now().as_millisecond() - before.as_millisecond();
        let told = u64::try_from((3_000 + stepped).max(0)).unwrap();
        assert!(app.end(&granted, &End::answered(told)).await, "{moment}: the call is settled");
        let cdr = app.cdr(&granted.dial).await;
        let expected = if told == 0 { 0..=5_000 } else { 1..=5_000 };
        assert!(expected.contains(&cdr.charged_ms), "{moment}: {} ms are charged", cdr.charged_ms);
        assert_eq!(app.held("alice").await, "0", "{moment}");
        app.until_admitting().await;
        let next = app.dial("alice", BERLIN).await.allowed();
        app.talk(&next, 2_000).await;
        assert_eq!(app.cdr(&next.dial).await.charged_ms, 2_000, "{moment}: the next call is an ordinary one");
        app.assert_right().await;
        app.stop().await;
    }
}

#[tokio::test]
async fn a_wall_clock_that_steps_releases_no_hold_of_a_live_call() {
    let app = TestApp::start().await;
    app.furnish().await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    let held = app.held("alice").await;
    assert_ne!(held, "0");
    for moment in MOMENTS {
        set_wall(&app, moment);
        app.calls.sweep().await;
        assert_eq!((app.held("alice").await, app.calls.open_calls()), (held.clone(), 1), "{moment}");
    }
    assert!(app.end(&granted, &End::busy()).await);
    assert_eq!(app.held("alice").await, "0");
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test]
async fn a_wall_clock_that_jumps_a_day_ahead_and_back_grants_one_more_day_at_most() {
    let app = TestApp::start().await;
    app.furnish().await;
    // A minute to Berlin.
    let limit = Some(Some(money("0.062076")));
    app.set("alice", AccountChange { daily_spend: limit, ..AccountChange::default() }).await;
    let day_ms = 86_400_000;
    // Which step, and whether a minute is granted after it.
    for (step_ms, granted) in [(0, true), (0, false), (day_ms, true), (-day_ms, false), (day_ms, false)] {
        app.clock.step_wall_ms(step_ms);
        app.until_admitting().await;
        let answer = app.dial("alice", BERLIN).await;
        if granted {
            app.talk(&answer.allowed(), 60_000).await;
        } else {
            assert_eq!(answer.reason(), "daily_limit", "after a step of {step_ms} ms");
        }
    }
    assert_eq!(app.balance("alice").await, "99.875848", "two days' limits are spent");
    app.assert_right().await;
    app.stop().await;
}
