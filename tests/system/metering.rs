//! Live calls are metered: holds are renewed by slices, and a call ends where its chain can pay no further.
//!
//! The test plays Asterisk: it keeps each call's end, moves it as it is told, and ends the call there.

use tollgate::calls::orders::Steer;
use tollgate::clock::Clock as _;
use tollgate::config::{Config, OnLinkLoss, Reserve};

use crate::app::TestApp;
use crate::app::decks::BERLIN;
use crate::app::house::money;
use crate::app::phone::{Dial, End, Granted};

const SERVER: &str = "pbx1";
/// How often the meter passes here, as in the service.
const PASS_MS: u32 = 250;

/// A call as Asterisk has it.
struct Up {
    granted: Granted,
    called: String,
    end_ms: u64,
    talked_ms: u64,
}

/// Asterisk, with the calls it has up.
struct Pbx<'a> {
    app: &'a TestApp,
    calls: Vec<Up>,
    /// Durations of the calls that ended at their end.
    ended: Vec<u64>,
    /// Whether orders arrive.
    reachable: bool,
}

impl<'a> Pbx<'a> {
    fn of(app: &'a TestApp) -> Self {
        app.calls.add_server(SERVER);
        app.calls.link_up(SERVER);
        Self { app, calls: Vec::new(), ended: Vec::new(), reachable: true }
    }

    /// A call is authorised and answered at once.
    async fn answer(&mut self, endpoint: &str, number: &str) {
        self.app.until_admitting().await;
        let granted = self.app.dial(endpoint, number).await.allowed();
        let called = format!("PJSIP/first-endpoint-{:08x}", self.calls.len() + self.ended.len());
        if self.reachable {
            let at_ms = i64::try_from(self.app.clock.monotonic_ms()).unwrap();
            self.app.calls.answered(SERVER, &granted.dial.unique_id, &called, at_ms);
        }
        let end_ms = granted.talk_ms;
        self.calls.push(Up { granted, called, end_ms, talked_ms: 0 });
        self.carry_out();
    }

    /// One pass of the meter, and its orders carried out.
    fn carry_out(&mut self) {
        let metered = self.app.calls.meter(self.app.clock.monotonic_ms());
        for order in metered.ends {
            let Steer::End { key, channel, end_ms, left_ms } = order else { panic!("{order:?}") };
            if let Some(call) = self.calls.iter_mut().find(|call| call.called == channel && self.reachable) {
                assert_eq!(
                    call.talked_ms + left_ms,
                    end_ms.max(call.talked_ms + 1),
                    "the end is told from now"
                );
                call.end_ms = end_ms;
            }
            self.app.calls.end_pushed(&key, end_ms, self.reachable);
        }
    }

    /// Lets time pass; calls that reach their end are settled.
    async fn run(&mut self, ms: u32) {
        let mut left = ms;
        while left > 0 {
            let step = left.min(PASS_MS);
            self.app.clock.advance_ms(step);
            left -= step;
            let mut at = 0;
            while at < self.calls.len() {
                let call = &mut self.calls[at];
                call.talked_ms += u64::from(step);
                if call.talked_ms >= call.end_ms {
                    let call = self.calls.remove(at);
                    let mut end = End::answered(call.end_ms);
                    "hung_up_by=system".clone_into(&mut end.extras);
                    assert!(self.app.end(&call.granted, &end).await);
                    self.ended.push(call.end_ms);
                } else {
                    at += 1;
                }
            }
            self.carry_out();
        }
    }
}

fn slices(seconds: u32) -> impl FnOnce(&mut Config) {
    move |config| config.credit.slice_seconds = seconds
}

/// What a retail call to Berlin of so many seconds costs `alice`: 0.062076 a minute, by the second.
fn berlin(seconds: i64) -> tollgate_rating::Money {
    // Half-up to six decimals.
    let exact = 62_076_000 * seconds;
    tollgate_rating::Money::from_nanos((exact + 30_000) / 60_000 * 1_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slice_is_held_and_renewed_when_half_is_used() {
    let app = TestApp::start().await;
    app.furnish().await;
    let mut pbx = Pbx::of(&app);
    pbx.answer("alice", BERLIN).await;
    assert_eq!(app.show("alice").await.held, berlin(120));
    assert_eq!(pbx.calls[0].end_ms, 119_700);
    pbx.run(59_750).await;
    assert_eq!(app.show("alice").await.held, berlin(120));
    pbx.run(500).await;
    let held = app.show("alice").await.held;
    assert!(held >= berlin(180) && held <= berlin(181), "{held}");
    assert!((179_700..=180_700).contains(&pbx.calls[0].end_ms), "{}", pbx.calls[0].end_ms);
    // The reseller holds the same time at wholesale.
    assert!(app.show("acme").await.held < held && app.show("acme").await.held > money("0"));
    app.flush().await;
    let journalled = app.services.store.open_calls().await.unwrap();
    assert!((180..=181).contains(&journalled[0].funded_seconds), "{journalled:?}");
    assert!(journalled[0].answered_at.is_some());
    app.end(&pbx.calls[0].granted, &End::answered(60_250)).await;
    app.assert_right().await;
    assert_eq!(app.balance("alice").await, money("100").checked_sub(berlin(61)).unwrap().to_string());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_calls_share_credit_for_a_minute_and_both_end_when_it_is_gone() {
    let app = TestApp::start_with(slices(5)).await;
    app.furnish().await;
    app.leave("alice", &berlin(60).to_string()).await;
    let mut pbx = Pbx::of(&app);
    pbx.answer("alice", BERLIN).await;
    pbx.answer("alice", BERLIN).await;
    pbx.run(40_000).await;
    assert!(pbx.calls.is_empty(), "both have ended");
    let talked: u64 = pbx.ended.iter().sum();
    assert!((57_000..=60_000).contains(&talked), "{:?}", pbx.ended);
    assert!(pbx.ended.iter().all(|ms| (25_000..=33_000).contains(ms)), "{:?}", pbx.ended);
    let left = app.show("alice").await;
    assert!(left.balance >= money("0") && left.balance < berlin(3), "{}", left.balance);
    for disposition in app.dispositions().await {
        assert_eq!(disposition, "credit_exhausted");
    }
    app.until_admitting().await;
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credit_that_arrives_lengthens_a_call_and_spending_elsewhere_shortens_it() {
    let app = TestApp::start_with(slices(5)).await;
    app.furnish().await;
    app.leave("alice", &berlin(30).to_string()).await;
    let mut pbx = Pbx::of(&app);
    pbx.answer("alice", BERLIN).await;
    pbx.run(28_000).await;
    assert_eq!(pbx.calls[0].end_ms, 29_700, "there is no more to be had");
    app.credit("alice", &berlin(60).to_string()).await;
    pbx.run(500).await;
    assert!(pbx.calls[0].end_ms >= 32_700, "lengthened within the second: {}", pbx.calls[0].end_ms);
    pbx.run(21_500).await;
    // At 50 s, 55 are held: what is left of 90 goes elsewhere.
    let available = app.show("alice").await.available;
    assert!(available > berlin(30), "{available}");
    app.credit("alice", &available.checked_neg().unwrap().to_string()).await;
    pbx.run(10_000).await;
    assert!(pbx.calls.is_empty());
    assert!((49_000..=57_000).contains(&pbx.ended[0]), "{:?}", pbx.ended);
    assert_eq!(app.dispositions().await, ["credit_exhausted"]);
    assert!(app.show("alice").await.balance >= money("0"));
    app.until_admitting().await;
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reseller_that_runs_dry_ends_its_rich_clients_call() {
    let app = TestApp::start_with(slices(5)).await;
    app.furnish().await;
    app.leave("acme", "0.02").await;
    let mut pbx = Pbx::of(&app);
    pbx.answer("alice", BERLIN).await;
    // 0.02 at 0.05173 a minute: 23 s.
    pbx.run(30_000).await;
    assert!((22_000..=23_000).contains(&pbx.ended[0]), "{:?}", pbx.ended);
    assert_eq!(app.dispositions().await, ["credit_exhausted"]);
    app.until_admitting().await;
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_reaches_its_cap_and_no_further() {
    let app = TestApp::start_with(|config| {
        config.credit.slice_seconds = 5;
        config.credit.max_call_seconds = 12;
    })
    .await;
    app.furnish().await;
    let mut pbx = Pbx::of(&app);
    pbx.answer("alice", BERLIN).await;
    pbx.run(15_000).await;
    assert_eq!(pbx.ended, [11_700]);
    assert_eq!(app.dispositions().await, ["answered"], "a cap is no lack of credit");
    assert_eq!(app.show("alice").await.held, money("0"));
    app.until_admitting().await;
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_link_cuts_a_call_where_its_hold_ends_and_a_new_one_is_held_a_minute() {
    let app = TestApp::start_with(slices(10)).await;
    app.furnish().await;
    let mut pbx = Pbx::of(&app);
    pbx.answer("alice", BERLIN).await;
    pbx.run(7_000).await;
    let held = app.show("alice").await.held;
    pbx.reachable = false;
    let exposure = app.calls.link_down(SERVER, app.clock.monotonic_ms());
    assert_eq!((exposure.calls, exposure.beyond_hold, exposure.amount), (1, 0, money("0")));
    pbx.run(2_000).await;
    assert_eq!(app.show("alice").await.held, held, "credit that nobody can give the call is left to others");
    pbx.answer("alice", BERLIN).await;
    assert_eq!(pbx.calls[1].end_ms, 59_700);
    pbx.run(7_000).await;
    assert_eq!(pbx.ended.len(), 1, "the first ended where it was funded to");
    assert!((14_500..16_000).contains(&pbx.ended[0]), "{:?}", pbx.ended);
    app.until_admitting().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_returns_finds_the_call_and_lengthens_it() {
    let app = TestApp::start_with(slices(10)).await;
    app.furnish().await;
    let mut pbx = Pbx::of(&app);
    pbx.answer("alice", BERLIN).await;
    pbx.run(4_000).await;
    app.calls.link_down(SERVER, app.clock.monotonic_ms());
    pbx.run(4_000).await;
    assert_eq!(pbx.calls[0].end_ms, 9_700);
    app.calls.link_up(SERVER);
    pbx.run(250).await;
    assert!(pbx.calls[0].end_ms >= 17_700, "{}", pbx.calls[0].end_ms);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_run_to_grant_a_lost_link_lets_calls_run_and_says_what_that_can_cost() {
    let app = TestApp::start_with(|config| {
        config.credit.slice_seconds = 10;
        config.credit.on_link_loss = OnLinkLoss::RunToGrant;
    })
    .await;
    app.furnish().await;
    app.leave("alice", &berlin(100).to_string()).await;
    let mut pbx = Pbx::of(&app);
    pbx.answer("alice", BERLIN).await;
    assert_eq!(app.show("alice").await.held, berlin(10));
    assert_eq!(pbx.calls[0].end_ms, 99_700);
    pbx.answer("alice", BERLIN).await;
    pbx.run(10_000).await;
    // Each may still run to what the chain could pay for it, given what the other holds.
    assert!(pbx.calls.iter().all(|call| (75_000..95_000).contains(&call.end_ms)));
    pbx.reachable = false;
    let exposure = app.calls.link_down(SERVER, app.clock.monotonic_ms());
    assert_eq!((exposure.calls, exposure.beyond_hold), (2, 2));
    assert!(exposure.amount > berlin(100) && exposure.amount < berlin(200), "{}", exposure.amount);
    pbx.run(90_000).await;
    assert_eq!(pbx.ended.len(), 2);
    app.until_admitting().await;
    // Facts are charged, and counted as overdrawn.
    let alice = app.show("alice").await;
    assert!(alice.balance < money("0"), "{}", alice.balance);
    assert!(alice.balance.checked_neg().unwrap() <= exposure.amount, "never by more than was said");
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_run_to_grant_and_the_link_up_what_is_spent_elsewhere_shortens_a_call() {
    let app = TestApp::start_with(|config| {
        config.credit.slice_seconds = 10;
        config.credit.on_link_loss = OnLinkLoss::RunToGrant;
    })
    .await;
    app.furnish().await;
    app.leave("alice", &berlin(100).to_string()).await;
    let mut pbx = Pbx::of(&app);
    pbx.answer("alice", BERLIN).await;
    pbx.run(3_000).await;
    let available = app.show("alice").await.available;
    app.credit("alice", &available.checked_neg().unwrap().to_string()).await;
    pbx.run(12_000).await;
    assert!(pbx.calls.is_empty());
    assert_eq!(pbx.ended, [9_700]);
    assert!(app.show("alice").await.balance >= money("0"));
    app.until_admitting().await;
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_full_reserve_all_is_held_and_credit_that_arrives_still_lengthens_a_call() {
    let app = TestApp::start_with(|config| config.credit.reserve = Reserve::Full).await;
    app.furnish().await;
    app.leave("alice", &berlin(30).to_string()).await;
    let mut pbx = Pbx::of(&app);
    pbx.answer("alice", BERLIN).await;
    assert_eq!(app.show("alice").await.available, money("0"));
    pbx.run(5_000).await;
    app.credit("alice", &berlin(30).to_string()).await;
    pbx.run(250).await;
    assert_eq!(pbx.calls[0].end_ms, 59_700);
    assert_eq!(app.show("alice").await.available, money("0"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_that_did_not_arrive_is_made_again() {
    let app = TestApp::start_with(slices(10)).await;
    app.furnish().await;
    let mut pbx = Pbx::of(&app);
    pbx.answer("alice", BERLIN).await;
    pbx.reachable = false;
    pbx.run(6_000).await;
    assert_eq!(pbx.calls[0].end_ms, 9_700, "the order was lost");
    pbx.reachable = true;
    pbx.run(1_000).await;
    assert!(pbx.calls[0].end_ms > 14_000, "{}", pbx.calls[0].end_ms);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_a_control_link_is_held_the_whole_grant() {
    let app = TestApp::start_with(slices(10)).await;
    app.furnish().await;
    app.leave("alice", &berlin(100).to_string()).await;
    let granted = Dial::new("alice", BERLIN).ask(app.fastagi).await.allowed();
    assert_eq!(granted.talk_ms, 99_700);
    assert_eq!(app.show("alice").await.available, money("0"));
    app.stop().await;
}
