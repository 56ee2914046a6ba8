//! Thousands of calls whose ends are told twice, late, in the wrong order, wrongly, or not at all: one charge a call,
//! never above its grant, and the same for the same seed.
//!
//! The clock is the test's, nothing runs by itself but the book's writer, and chance comes from the seed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;

use tollgate::calls::Calls;
use tollgate::calls::Channel;
use tollgate::calls::SettleError;
use tollgate::calls::orders::Steer;
use tollgate::calls::request::{AuthorizeRequest, SettleRequest};
use tollgate::clock::{Clock as _, ManualClock};
use tollgate::config::Config;
use tollgate::ledger::audit::audit;
use tollgate::ledger::{CallKey, DurationSource};
use tollgate::services::Services;

use crate::app::TestApp;
use crate::app::book::charges;
use crate::app::decks::{BERLIN, LONDON};
use crate::app::noon;

const SERVER: &str = "pbx1";
const CLIENTS: u64 = 12;
const TICK_MS: u32 = 1_000;
/// Seconds between two whole channel lists.
const LIST_EVERY: u64 = 15;
const SWEEP_EVERY: u64 = 5;

/// splitmix64: small, and the same everywhere.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn percent(&mut self, n: u64) -> bool {
        self.below(100) < n
    }
}

/// A call as it really is.
struct Truth {
    ticket: String,
    called: String,
    /// When it is answered and when it ends, in seconds of the simulation.
    answered_at: Option<u64>,
    ends_at: u64,
    /// The longest that Asterisk was ever told, in milliseconds after the answer.
    told_ms: u64,
}

impl Truth {
    /// How long it is answered.
    fn talked_seconds(&self) -> u64 {
        self.answered_at.map_or(0, |at| self.ends_at - at)
    }
}

/// Something that is said about a call, true or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Notice {
    /// The hangup handler's request; wrong by so many seconds.
    Handler { wrong_by: i64 },
    /// The record in Asterisk's database.
    Record,
    /// An event of the manager interface.
    Event,
    /// The hangup handler of another call, with this call's ticket.
    Stolen,
}

struct World {
    calls: Arc<Calls>,
    clock: Arc<ManualClock>,
    chance: Chance,
    second: u64,
    truths: BTreeMap<u64, Truth>,
    due: BinaryHeap<Reverse<(u64, u64, Notice)>>,
    made: u64,
    notices: u64,
    /// Calls during which Asterisk's clock stepped.
    stepped: BTreeSet<u64>,
}

fn unique_id(call: u64) -> String {
    format!("pbx1-1700000000.{call}")
}

fn key(call: u64) -> CallKey {
    CallKey { server: SERVER.to_owned(), unique_id: unique_id(call), leg: 1 }
}

impl World {
    /// A new call, with everything that will be said about it.
    fn dial(&mut self, each: u64) {
        let call = self.made;
        self.made += 1;
        let login = format!("client{}", call % CLIENTS);
        let number = if self.chance.percent(70) { BERLIN } else { LONDON };
        let request = AuthorizeRequest::parse(
            &unique_id(call),
            &[login.as_str(), number, "", SERVER, "192.0.2.1", "1", ""],
        )
        .unwrap()
        .on_channel(&format!("PJSIP/{login}-{call:08x}"));
        let grant = self.calls.authorize(&request).unwrap();
        let answered_at = self.chance.percent(90).then(|| self.second + self.chance.below(10));
        let rings = self.second + 5 + self.chance.below(20);
        let ends_at = answered_at.map_or(rings, |at| at + 1 + self.chance.below(200));
        // Nobody will tell its end.
        let silent = self.chance.percent(5);
        let truth = Truth {
            ticket: grant.ticket,
            called: format!("PJSIP/first-endpoint-{call:08x}"),
            answered_at,
            ends_at,
            told_ms: grant.talk_ms,
        };
        for _ in 0..=self.chance.below(2 * each - 1) {
            // Some come before the end, most soon after it, some minutes late.
            let at = match self.chance.below(20) {
                0 => self.second + self.chance.below(ends_at - self.second + 1),
                1..=3 => ends_at + self.chance.below(600),
                _ => ends_at + self.chance.below(6),
            };
            let notice = match self.chance.below(10) {
                0..=1 if !silent && at >= ends_at => {
                    let step = if self.chance.percent(10) { 3_600 } else { 0 };
                    if step != 0 {
                        self.stepped.insert(call);
                    }
                    Notice::Handler { wrong_by: if self.chance.percent(50) { step } else { -step } }
                }
                2 if !silent && at >= ends_at => Notice::Record,
                3 if self.chance.percent(10) => Notice::Stolen,
                _ => Notice::Event,
            };
            self.due.push(Reverse((at, call, notice)));
        }
        self.truths.insert(call, truth);
    }

    /// What the hangup handler says of a call.
    fn request(&self, call: u64, wrong_by: i64) -> SettleRequest {
        let truth = &self.truths[&call];
        let talked = i64::try_from(truth.talked_seconds()).unwrap();
        // Where nobody answered there is no time to be wrong by.
        let told_ms = truth.answered_at.map_or(0, |_| (talked + wrong_by).max(0) * 1_000);
        let status = if truth.answered_at.is_some() { "ANSWER" } else { "NOANSWER" };
        let told_ms = told_ms.to_string();
        let arguments =
            [&truth.ticket, &told_ms, status, "16", "1", SERVER, "1", "", "", "", "hung_up_by=caller"];
        SettleRequest::parse(&unique_id(call), &arguments).unwrap()
    }

    /// A second passes.
    async fn tick(&mut self) {
        self.clock.advance_ms(TICK_MS);
        self.second += 1;
        let now_ms = self.clock.monotonic_ms();
        self.calls.ownership.granted(self.calls.ownership.epoch(), self.clock.moment());
        for (call, truth) in &self.truths {
            if truth.answered_at == Some(self.second) && truth.ends_at > self.second && call % 50 != 0 {
                let at_ms = i64::try_from(now_ms).unwrap();
                self.calls.answered(SERVER, &unique_id(*call), &truth.called, at_ms);
            }
        }
        self.meter(now_ms);
        self.hear().await;
        if self.second.is_multiple_of(LIST_EVERY) {
            self.list().await;
            self.list().await;
        }
        if self.second.is_multiple_of(SWEEP_EVERY) {
            self.calls.sweep().await;
        }
        // Nothing more can be said of calls that ended long ago.
        let (second, due) = (self.second, &self.due);
        if second.is_multiple_of(100) {
            let spoken_of: BTreeSet<u64> = due.iter().map(|Reverse((_, call, _))| *call).collect();
            self.truths.retain(|call, truth| truth.ends_at + 700 > second || spoken_of.contains(call));
        }
    }

    fn meter(&mut self, now_ms: u64) {
        let mut orders = self.calls.meter(now_ms).ends;
        // Memory keeps calls in no order.
        orders.sort_by(|a, b| a.key().cmp(b.key()));
        for order in orders {
            let Steer::End { key, end_ms, .. } = order else { panic!("{order:?}") };
            let arrives = self.chance.percent(90);
            let call: u64 = key.unique_id.rsplit_once('.').unwrap().1.parse().unwrap();
            if let Some(truth) = self.truths.get_mut(&call) {
                // Asterisk may have it, whether it said so or not.
                truth.told_ms = truth.told_ms.max(end_ms);
            }
            self.calls.end_pushed(&key, end_ms, arrives);
        }
    }

    /// Everything that is said in this second, at once.
    async fn hear(&mut self) {
        let mut settling = Vec::new();
        while self.due.peek().is_some_and(|Reverse((at, ..))| *at <= self.second) {
            let Some(Reverse((_, call, notice))) = self.due.pop() else { break };
            self.notices += 1;
            match notice {
                Notice::Event => {
                    self.calls.ending(SERVER, &unique_id(call), self.clock.monotonic_ms());
                }
                Notice::Handler { wrong_by } => {
                    settling.push((self.request(call, wrong_by), DurationSource::Asterisk));
                }
                Notice::Record => settling.push((self.request(call, 0), DurationSource::Astdb)),
                Notice::Stolen => {
                    let mut request = self.request(call, 0);
                    request.key = key(call + 1);
                    settling.push((request, DurationSource::Asterisk));
                }
            }
        }
        let stolen = |request: &SettleRequest, outcome: &Result<_, SettleError>| matches!(outcome, Err(SettleError::OtherCall { ticket }) if *ticket != request.key);
        let told = settling.iter().map(|(request, source)| self.calls.settle_from(request, *source));
        for (outcome, (request, _)) in futures_join(told.collect()).await.into_iter().zip(&settling) {
            assert!(
                matches!(outcome, Ok(_) | Err(SettleError::InProgress)) || stolen(request, &outcome),
                "{request:?}: {outcome:?}"
            );
        }
    }

    /// A whole list of what is really up, taken in; what two of them miss is settled.
    async fn list(&mut self) {
        let mut channels = Vec::new();
        for (call, truth) in self.truths.iter().filter(|(_, truth)| truth.ends_at > self.second) {
            let channel = |name: String, unique_id: String, is_caller| Channel {
                name,
                unique_id,
                linked_id: self::unique_id(*call),
                is_up: truth.answered_at.is_some_and(|at| at <= self.second),
                has_ended: false,
                is_caller,
            };
            channels.push(channel(
                format!("PJSIP/client{}-{call:08x}", call % CLIENTS),
                unique_id(*call),
                true,
            ));
            channels.push(channel(truth.called.clone(), format!("{}.called", unique_id(*call)), false));
        }
        let now_ms = self.clock.monotonic_ms();
        let seen = self.calls.take_in(SERVER, &channels, now_ms);
        for (caller, called) in seen.answered {
            // As the calling channel tells it.
            let call: u64 = caller.unique_id.rsplit_once('.').unwrap().1.parse().unwrap();
            let ago_ms =
                self.truths[&call].answered_at.map_or(0, |at| (self.second - at) * u64::from(TICK_MS));
            let at_ms = i64::try_from(now_ms - ago_ms).unwrap();
            self.calls.answered(SERVER, &caller.unique_id, &called.name, at_ms);
        }
        let mut keys: Vec<CallKey> = self.calls.live_calls().into_iter().map(|call| call.key).collect();
        keys.sort();
        for key in keys {
            self.calls.settle_gone(&key).await.unwrap();
        }
    }
}

/// Waits for all, polled in their order.
async fn futures_join<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    futures::future::join_all(futures).await
}

/// What became of every call.
type Charges = BTreeMap<String, (i64, i64, String)>;

/// Runs a simulation of at least so many notices; every call's charge, duration and disposition.
async fn simulate(seed: u64, notices: u64, each: u64) -> Charges {
    let app = TestApp::start().await;
    app.furnish().await;
    app.credit("acme", "100000").await;
    for n in 0..CLIENTS {
        app.client(&format!("client{n}"), Some("acme"), "retail").await;
        app.credit(&format!("client{n}"), "10000").await;
    }
    let database = app.stop().await;
    let mut config = Config::default();
    config.database.url = database.url.as_str().into();
    config.secrets.key_file = Some(database.files.path().join("tollgate.key"));
    config.credit.slice_seconds = 30;
    let clock = Arc::new(ManualClock::at(noon()));
    let services = Services::open_with(Arc::new(config), Arc::clone(&clock) as _).await.unwrap();
    services.lock_for_server().await.unwrap();
    services.take_ownership(None).await.unwrap();
    services.empty_spool().await.unwrap();
    let calls = Calls::start(&services).await.unwrap();
    calls.add_server(SERVER);
    calls.link_up(SERVER);
    let mut world = World {
        calls: Arc::clone(&calls),
        clock: Arc::clone(&clock),
        chance: Chance(seed),
        second: 0,
        truths: BTreeMap::new(),
        due: BinaryHeap::new(),
        made: 0,
        notices: 0,
        stepped: BTreeSet::new(),
    };
    let mut granted: HashMap<u64, u64> = HashMap::new();
    let mut talked: HashMap<u64, u64> = HashMap::new();
    while world.notices + world.due.len() as u64 <= notices {
        for _ in 0..20 {
            world.dial(each);
        }
        world.tick().await;
        granted.extend(world.truths.iter().map(|(call, truth)| (*call, truth.told_ms)));
        talked.extend(world.truths.iter().map(|(call, truth)| (*call, truth.talked_seconds())));
    }
    while !world.due.is_empty() || calls.open_calls() > 0 {
        world.tick().await;
        granted.extend(world.truths.iter().map(|(call, truth)| (*call, truth.told_ms)));
    }
    assert!(world.notices >= notices, "{} notices", world.notices);
    calls.ledger.flush().await.unwrap();
    let report = audit(&services.store).await.unwrap();
    assert!(report.ok, "{:#?}", report.differences);
    let charged = charges(&services.store).await;
    assert_eq!(charged.len() as u64, world.made, "every call is in the book");
    let mut found = Charges::new();
    for (unique_id, charge, charged_ms, answered_ms, source) in charged {
        let call: u64 = unique_id.rsplit_once('.').unwrap().1.parse().unwrap();
        let most_ms = i64::try_from(granted[&call] + 300).unwrap();
        assert!(charged_ms <= most_ms, "{unique_id}: charged for {charged_ms} ms, told {most_ms}");
        let talked_ms = i64::try_from(talked[&call] * 1_000).unwrap();
        match source.as_str() {
            // A record is exact.
            "astdb" => assert_eq!(charged_ms, talked_ms.min(most_ms), "{unique_id}"),
            // So is a handler whose clock did not step, however late it comes.
            "asterisk" if !world.stepped.contains(&call) => {
                assert_eq!(charged_ms, talked_ms.min(most_ms), "{unique_id}");
            }
            "asterisk" => {}
            // Proof of life ends where the call did, or before.
            _ => assert!(charged_ms <= talked_ms, "{unique_id}: {charged_ms} of {talked_ms}"),
        }
        let before = found.insert(unique_id.clone(), (charge, answered_ms, source));
        assert!(before.is_none(), "{unique_id} is in the book twice");
    }
    for n in 0..CLIENTS {
        let account = calls.directory.all().into_iter().find(|a| a.login == format!("client{n}")).unwrap();
        let wallet = account.wallet.snapshot();
        let book = services.store.balance(account.id, "EUR").await.unwrap().money().unwrap();
        assert_eq!((wallet.balance, wallet.held.nanos()), (book, 0), "client{n}");
    }
    let charged = found.values().filter(|(charge, ..)| *charge > 0).count();
    assert!(charged > found.len() / 2, "most calls cost something");
    services.close().await;
    drop(database);
    found
}

#[tokio::test]
async fn a_million_notices_charge_each_call_once_and_never_above_its_grant() {
    simulate(20_261_125, 1_000_000, 50).await;
}

#[tokio::test]
async fn the_same_seed_gives_the_same_charges() {
    let first = simulate(7, 30_000, 12).await;
    let again = simulate(7, 30_000, 12).await;
    let differing: Vec<_> = first.iter().filter(|(call, charge)| again.get(*call) != Some(charge)).collect();
    assert!(differing.is_empty() && first.len() == again.len(), "{differing:?}");
    let other = simulate(8, 30_000, 12).await;
    assert!(first != other, "another seed is another story");
}
