//! Every order in which a call's end can be told, made up, concluded and repeated, across restarts and outages: each call
//! whose valid ticket came is charged exactly once, at its full price, to everybody who pays. The rule is held against
//! a model of a few lines.

use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};
use tollgate::calls::Channel;
use tollgate::calls::SettleError;
use tollgate::calls::request::{AuthorizeRequest, SettleRequest};
use tollgate::calls::settle::SettleOutcome;
use tollgate::clock::Clock as _;
use tollgate::ledger::{CallKey, DurationSource};

use crate::app::TestApp;
use crate::app::database::Database;
use crate::app::decks::BERLIN;
use crate::app::house::money;
use crate::app::wire::Outage;

const SERVER: &str = "pbx1";
const CALLS: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The channel asks; asking twice is refused.
    Authorize(usize),
    /// The dialplan has the token.
    Token(usize),
    /// The carrier answers.
    Answer(usize),
    Pass(u32),
    /// Somebody without the ticket tells an end.
    WithoutTicket(usize),
    /// The hangup handler, or its record in Asterisk.
    WithTicket(usize, bool),
    /// The hangup handler with another duration.
    Otherwise(usize),
    /// An emergency call's record under this call's key.
    Emergency(usize),
    /// Two whole lists have no channel; before them one may have had it.
    Conclude(usize, bool),
    /// All of it at once.
    Race(usize),
    /// The holds of whatever nobody settled end.
    Expire,
    Restart,
    DatabaseAway,
    DatabaseBack,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let call = 0..CALLS;
    let step = prop_oneof![
        6 => call.clone().prop_map(Step::Authorize),
        6 => call.clone().prop_map(Step::Token),
        5 => call.clone().prop_map(Step::Answer),
        3 => (1_000_u32..20_000).prop_map(Step::Pass),
        6 => call.clone().prop_map(Step::WithoutTicket),
        5 => (call.clone(), any::<bool>()).prop_map(|(call, is_record)| Step::WithTicket(call, is_record)),
        3 => call.clone().prop_map(Step::Otherwise),
        2 => call.clone().prop_map(Step::Emergency),
        5 => (call.clone(), any::<bool>()).prop_map(|(call, is_seen)| Step::Conclude(call, is_seen)),
        2 => call.prop_map(Step::Race),
        2 => Just(Step::Expire),
        1 => Just(Step::Restart),
        1 => Just(Step::DatabaseAway),
        2 => Just(Step::DatabaseBack),
    ];
    proptest::collection::vec(step, 20..60)
}

/// What is known of a call.
#[derive(Clone, Debug, Default)]
struct Known {
    ticket: Option<String>,
    has_token: bool,
    answered_ms: Option<u64>,
    /// The seconds of the first end with its ticket that was taken.
    charged_seconds: Option<u64>,
}

struct World {
    app: Option<TestApp>,
    outage: Outage,
    is_away: bool,
    /// Milliseconds of the calls' world, over all processes.
    passed_ms: u64,
    calls: [Known; CALLS],
    restarts: usize,
}

fn unique_id(call: usize) -> String {
    format!("pbx1-1700000000.{call}")
}

fn key(call: usize) -> CallKey {
    CallKey { server: SERVER.to_owned(), unique_id: unique_id(call), leg: 1 }
}

impl World {
    async fn new() -> Self {
        let mut database = Database::sqlite();
        let outage = Outage::of(&database.url).await;
        database.url.clone_from(&outage.url);
        let app = TestApp::on(database, |_| {}).await;
        app.furnish().await;
        let mut world =
            Self { app: None, outage, is_away: false, passed_ms: 0, calls: Default::default(), restarts: 0 };
        world.take(app);
        world
    }

    fn take(&mut self, app: TestApp) {
        app.calls.add_server(SERVER);
        app.calls.link_up(SERVER);
        self.app = Some(app);
    }

    fn app(&self) -> &TestApp {
        self.app.as_ref().unwrap()
    }

    fn pass(&mut self, ms: u32) {
        self.app().clock.advance_ms(ms);
        self.passed_ms += u64::from(ms);
    }

    /// What the hangup handler says.
    fn request(&self, call: usize, more_seconds: u64) -> SettleRequest {
        let known = &self.calls[call];
        let talked = known.answered_ms.map_or(0, |at| ((self.passed_ms - at) / 1_000).min(60));
        let told = if talked == 0 { 0 } else { (talked + more_seconds) * 1_000 };
        let status = if talked == 0 { "CANCEL" } else { "ANSWER" };
        let ticket = known.ticket.clone().unwrap_or_default();
        let arguments = [ticket.as_str(), &told.to_string(), status, "16", "1", SERVER, "1"];
        SettleRequest::parse(&unique_id(call), &arguments).unwrap()
    }

    /// The first end with the ticket that is taken is what the call costs.
    fn note(&mut self, request: &SettleRequest, told: &Result<SettleOutcome, SettleError>) {
        let call = (0..CALLS).find(|call| unique_id(*call) == request.key.unique_id).unwrap();
        match told {
            Ok(_) if !request.ticket.is_empty() => {
                self.calls[call].charged_seconds.get_or_insert(request.answered_ms / 1_000);
            }
            Ok(_) | Err(SettleError::InProgress | SettleError::NoTicket) => {}
            // Prices are read from the database where memory has forgotten the call.
            Err(SettleError::Store(_)) if self.is_away => {}
            Err(error) => panic!("{request:?}: {error}"),
        }
    }

    async fn settle(&mut self, request: SettleRequest, source: DurationSource) {
        let told = self.app().calls.settle_from(&request, source).await;
        self.note(&request, &told);
    }

    fn without_ticket(&self, call: usize) -> SettleRequest {
        SettleRequest { ticket: String::new(), ..self.request(call, 0) }
    }

    async fn step(&mut self, step: Step) {
        match step {
            // A unique id that comes again after a restart is another call: that has tests of its own.
            Step::Authorize(call) if self.restarts == 0 || self.calls[call].ticket.is_none() => {
                self.authorize(call).await;
            }
            Step::Token(call) => {
                let is_allowed = self.app().calls.allow_dialling(&key(call));
                self.calls[call].has_token |= is_allowed;
            }
            Step::Answer(call) => {
                let (at_ms, has_token) = (self.passed_ms, self.calls[call].has_token);
                if has_token && self.calls[call].charged_seconds.is_none() {
                    self.calls[call].answered_ms.get_or_insert(at_ms);
                    let now_ms = i64::try_from(self.app().clock.monotonic_ms()).unwrap();
                    self.app().calls.answered(
                        SERVER,
                        &unique_id(call),
                        "PJSIP/first-endpoint-00000007",
                        now_ms,
                    );
                }
            }
            Step::Pass(ms) => self.pass(ms),
            Step::WithoutTicket(call) => {
                self.settle(self.without_ticket(call), DurationSource::Asterisk).await;
            }
            Step::WithTicket(call, is_record) if self.calls[call].has_token => {
                let source = if is_record { DurationSource::Astdb } else { DurationSource::Asterisk };
                self.settle(self.request(call, 0), source).await;
            }
            Step::Otherwise(call) if self.calls[call].charged_seconds.is_some() => {
                self.settle(self.request(call, 7), DurationSource::Asterisk).await;
            }
            Step::Emergency(call) => {
                let arguments = [
                    "",
                    "4000",
                    "ANSWER",
                    "16",
                    "1",
                    SERVER,
                    "1",
                    "",
                    "",
                    "",
                    "kind=emergency;endpoint=alice",
                ];
                let request = SettleRequest::parse(&unique_id(call), &arguments).unwrap();
                self.settle(request, DurationSource::Asterisk).await;
            }
            Step::Conclude(call, is_seen) => self.conclude(call, is_seen).await,
            Step::Race(call) if self.calls[call].has_token => Box::pin(self.race(call)).await,
            Step::Expire => {
                self.pass(600_000);
                if !self.is_away {
                    self.app().until_admitting().await;
                }
                self.app().calls.sweep().await;
            }
            Step::Restart => self.restart().await,
            Step::DatabaseAway if !self.is_away => {
                self.app().flush().await;
                self.outage.begin().await;
                self.is_away = true;
            }
            Step::DatabaseBack => self.database_back().await,
            _ => {}
        }
    }

    async fn authorize(&mut self, call: usize) {
        let request =
            AuthorizeRequest::parse(&unique_id(call), &["alice", BERLIN, "", SERVER, "192.0.2.7", "1", ""])
                .unwrap();
        if !self.is_away {
            self.app().until_admitting().await;
        }
        let granted = self.app().calls.authorize(&request);
        let known = &mut self.calls[call];
        if let Ok(grant) = granted {
            assert!(known.ticket.is_none(), "a channel is granted once in a process");
            known.ticket = Some(grant.ticket);
        }
    }

    async fn conclude(&self, call: usize, is_seen: bool) {
        if is_seen {
            let channel = Channel {
                name: format!("PJSIP/alice-{call:08x}"),
                unique_id: unique_id(call),
                linked_id: unique_id(call),
                is_up: true,
                has_ended: false,
                is_caller: true,
            };
            self.app().calls.take_in(SERVER, &[channel], self.app().clock.monotonic_ms());
        }
        for _ in 0..2 {
            self.app().calls.take_in(SERVER, &[], self.app().clock.monotonic_ms());
        }
        let told = self.app().calls.settle_gone(&key(call)).await;
        assert!(matches!(told, Ok(_) | Err(SettleError::InProgress)), "{told:?}");
    }

    async fn race(&mut self, call: usize) {
        let (with, without) = (self.request(call, 0), self.without_ticket(call));
        let calls = &self.app().calls;
        let key = key(call);
        let (first, second, _, third, ()) = tokio::join!(
            calls.settle(&without),
            calls.settle(&with),
            calls.settle_gone(&key),
            calls.settle_from(&with, DurationSource::Astdb),
            calls.sweep(),
        );
        for (request, told) in [(&without, first), (&with, second), (&with, third)] {
            self.note(request, &told);
        }
    }

    async fn database_back(&mut self) {
        if self.is_away {
            self.outage.end().await;
            self.is_away = false;
            self.app().until_drained().await;
            self.app().until_admitting().await;
        }
    }

    async fn restart(&mut self) {
        self.restarts += 1;
        self.database_back().await;
        self.app().flush().await;
        let database = self.app.take().unwrap().stop().await;
        let app = TestApp::on(database, |_| {}).await;
        app.clock.advance_ms(u32::try_from(self.passed_ms).unwrap());
        app.until_admitting().await;
        self.take(app);
    }

    /// Everybody has told all there is to tell: what is charged is what the model says.
    async fn finish(mut self) {
        self.database_back().await;
        for call in 0..CALLS {
            while self.calls[call].has_token && self.calls[call].charged_seconds.is_none() {
                self.settle(self.request(call, 0), DurationSource::Astdb).await;
            }
        }
        // The longest call of all and more: whatever was granted and never dialled ends.
        self.pass(40_000_000);
        self.app().until_admitting().await;
        self.app().calls.sweep().await;
        let spent = |nanos_a_minute: i64| {
            let seconds = self.calls.iter().map(|call| call.charged_seconds.unwrap_or(0));
            // A price is rounded half up to the sixth digit.
            seconds
                .map(|s| (i64::try_from(s).unwrap() * nanos_a_minute / 60 + 500) / 1_000 * 1_000)
                .sum::<i64>()
        };
        for (login, nanos_a_minute) in [("alice", 62_076_000), ("acme", 51_730_000)] {
            let balance = self.app().show(login).await.balance;
            let expected = 100_000_000_000 - spent(nanos_a_minute);
            assert_eq!(balance.nanos(), expected, "{login}: {:?}", self.calls);
            assert_eq!(self.app().show(login).await.held, money("0"), "{login}");
        }
        assert_eq!(self.app().calls.open_calls(), 0);
        self.app().assert_right().await;
        self.app.take().unwrap().stop().await;
    }
}

#[test]
fn however_ends_are_told_each_call_with_its_ticket_is_charged_once_in_full() {
    let cases = Cases { cases: 16, failure_persistence: None, max_shrink_iters: 60, ..Cases::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    TestRunner::new(cases)
        .run(&steps(), |steps| {
            runtime.block_on(async {
                let mut world = World::new().await;
                for step in steps {
                    Box::pin(world.step(step)).await;
                }
                world.finish().await;
            });
            Ok(())
        })
        .unwrap();
}
