//! Clocks that step while calls are talked: the charge follows the time that passed, never the time that a clock claims.

use jiff::Timestamp;
use tollgate::clock::Clock as _;

use crate::app::TestApp;
use crate::app::decks::BERLIN;
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
