//! What a call costs the engine, in process: two payers, the sample decks, real accounts, a database beside it.
//!
//! `cargo bench --bench calls`, or one part of it: `cargo bench --bench calls -- authorise`

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that cannot go on ends")]

mod house;

use std::hint::{black_box, spin_loop};
use std::net::IpAddr;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use house::{House, Random, ratio};
use jiff::Timestamp;
use tokio::runtime::Runtime;
use tollgate::calls::Calls;
use tollgate::calls::request::{AuthorizeRequest, Extras};
use tollgate::directory::Account;
use tollgate::ledger::CallKey;
use tollgate_rating::credit::{Chain, Day, Holds, MAX_PAYERS, Pricing, ReserveRequest, Slice};
use tollgate_rating::{AnswerRange, CallRate, E164, Money, PricedTariff};

/// Distinct numbers, so many that no cache keeps their answers.
const NUMBERS: usize = 1 << 16;
/// Calls in one round.
const CALLS: usize = 2_048;
/// Rounds of each measurement.
const ROUNDS: usize = 80;
/// Calls of one thread in a round of two: so short that in some rounds nothing else wants either core.
const SHORT: usize = 256;
/// Such rounds.
const SHORT_ROUNDS: usize = 400;
/// Such rounds between two times that their calls are ended.
const SHORT_AT_ONCE: usize = 8;
/// The longest call that is asked for.
const CAP_SECONDS: u32 = 14_400;

/// One payer's price, asked as authorising asks it.
struct Price {
    rate: CallRate,
    answered: AnswerRange,
}

impl Pricing for Price {
    fn max_seconds(&self, credit: Money, cap: u32) -> u32 {
        self.rate.max_seconds(credit, cap, self.answered)
    }

    fn hold(&self, seconds: u32) -> Option<Money> {
        self.rate.hold(seconds, self.answered).ok()
    }
}

/// Who pays for a call, and the number.
struct Sample {
    client: Arc<Account>,
    reseller: Arc<Account>,
    login: String,
    number: E164,
}

/// What is measured, and on what.
struct Bench {
    runtime: Runtime,
    house: House,
    retail: PricedTariff,
    wholesale: PricedTariff,
    samples: Vec<Sample>,
    now: Timestamp,
    /// Calls authorised so far: each gets a key of its own.
    keys: AtomicUsize,
}

/// A measurement.
type Part = fn(&Bench);

fn main() {
    if !house::is_asked_to_measure() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let house = runtime.block_on(House::open(NUMBERS));
    let bench = Bench::new(runtime, house);
    let parts: [(&str, Part); 5] = [
        ("rate_and_hold", Bench::rate_and_hold),
        ("settle", Bench::settle),
        ("charge_by_length", Bench::length),
        ("authorise", Bench::authorise),
        ("two_threads", Bench::two_threads),
    ];
    // A name on the command line measures that part alone.
    let named: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    for (name, measure) in parts {
        if named.is_empty() || named.iter().any(|part| part == name) {
            measure(&bench);
        }
    }
    bench.runtime.block_on(bench.house.close());
}

/// One line for people and for `benches/run`.
#[expect(clippy::print_stdout, reason = "the measurements are what the program is for")]
fn report(name: &str, facts: &str) {
    println!("bench: {name} {facts}");
}

impl Bench {
    fn new(runtime: Runtime, house: House) -> Self {
        let snapshot = house.calls.catalog.snapshot();
        let plan = |name: &str| snapshot.plan_named(name).expect("the plan was made").priced.clone();
        let (retail, wholesale) = (plan("RETAIL"), plan("WHOLESALE"));
        let mut random = Random::default();
        let mut samples = Vec::with_capacity(NUMBERS);
        for number in &house.numbers {
            let place = random.below(house.clients.len());
            let chain = house.client(place).chain();
            let [client, reseller] = chain.as_slice() else { panic!("two pay") };
            samples.push(Sample {
                client: Arc::clone(client),
                reseller: Arc::clone(reseller),
                login: house.clients[place].clone(),
                number: *number,
            });
        }
        let now = house.services.clock.now();
        drop(snapshot);
        Self { runtime, house, retail, wholesale, samples, now, keys: AtomicUsize::new(0) }
    }

    /// The samples of a round, others each time.
    fn round(&self, round: usize) -> &[Sample] {
        let rounds = self.samples.len() / CALLS;
        let from = round % rounds * CALLS;
        &self.samples[from..from + CALLS]
    }

    fn prices(&self, number: E164) -> Option<[Price; 2]> {
        let answered = self.house.calls.answer_range(self.now);
        let price =
            |tariff: &PricedTariff| tariff.rate(number, self.now).ok().map(|rate| Price { rate, answered });
        Some([price(&self.retail)?, price(&self.wholesale)?])
    }

    /// Two rates, and a hold for four hours on both wallets.
    fn hold(&self, sample: &Sample) -> Option<Holds> {
        let prices = self.prices(sample.number)?;
        let chain = Chain::new(&[&sample.client.wallet, &sample.reseller.wallet]).ok()?;
        let request = ReserveRequest {
            caps_seconds: CAP_SECONDS,
            slice: Slice::Full,
            now_ms: 0,
            days: [Day::default(); MAX_PAYERS],
        };
        Some(chain.reserve(&prices, &request).ok()?.holds)
    }

    /// Both payers' charges of a call, and the holds replaced by them.
    fn charge(sample: &Sample, prices: &[Price; 2], holds: Holds, ms: u64, at: Timestamp) -> Option<()> {
        let charges =
            [prices[0].rate.charge(ms, at).ok()?.amount, prices[1].rate.charge(ms, at).ok()?.amount];
        let chain = Chain::new(&[&sample.client.wallet, &sample.reseller.wallet]).ok()?;
        chain.settle(holds, &charges, &[Day::default(); MAX_PAYERS]).ok().map(drop)
    }

    fn release(sample: &Sample, holds: Holds) {
        let chain = Chain::new(&[&sample.client.wallet, &sample.reseller.wallet]);
        let released = chain.map(|chain| chain.release(holds));
        assert!(matches!(released, Ok(Ok(()))), "what was held can be given back");
    }

    fn rate_and_hold(&self) {
        let mut rounds = Rounds::default();
        let mut held = Vec::with_capacity(CALLS);
        for round in 0..ROUNDS {
            let samples = self.round(round);
            rounds.time(|| held.extend(samples.iter().filter_map(|sample| self.hold(sample))));
            assert_eq!(held.len(), CALLS, "every call can be paid");
            samples.iter().zip(held.drain(..)).for_each(|(sample, holds)| Self::release(sample, holds));
        }
        report_time("rate_and_hold", &rounds, 1_000);
    }

    fn settle(&self) {
        let mut rounds = Rounds::default();
        let mut random = Random::default();
        for round in 0..ROUNDS {
            let samples = self.round(round);
            let prices: Option<Vec<_>> = samples.iter().map(|sample| self.prices(sample.number)).collect();
            let prices = prices.expect("every number has a rate");
            let ms: Vec<u64> = samples.iter().map(|_| 1 + random.below(600_000) as u64).collect();
            let held: Option<Vec<_>> = samples.iter().map(|sample| self.hold(sample)).collect();
            let held = held.expect("every call can be paid");
            let calls = samples.iter().zip(&prices).zip(held).zip(&ms);
            let settled = rounds.time(|| {
                calls
                    .filter_map(|(((sample, prices), holds), ms)| {
                        Self::charge(sample, prices, holds, *ms, self.now)
                    })
                    .count()
            });
            assert_eq!(settled, CALLS, "every call is charged");
        }
        report_time("settle", &rounds, 1_000);
    }

    /// A call of ten seconds and one of ten hours.
    fn length(&self) {
        let rates: Option<Vec<[Price; 2]>> =
            self.round(0).iter().map(|sample| self.prices(sample.number)).collect();
        let rates = rates.expect("every number has a rate");
        let charge = |ms: u64| {
            rates
                .iter()
                .filter_map(|[retail, _]| black_box(retail.rate.charge(black_box(ms), self.now)).ok())
                .count()
        };
        let (mut short, mut long) = (Rounds::default(), Rounds::default());
        for _ in 0..ROUNDS * 4 {
            assert_eq!(short.time(|| charge(10_000)), CALLS);
            assert_eq!(long.time(|| charge(36_000_000)), CALLS);
        }
        let (short, long) = (short.best_ns(CALLS), long.best_ns(CALLS));
        report(
            "charge_by_length",
            &format!("ten_seconds_ns={short} ten_hours_ns={long} ratio={}", ratio(long, short)),
        );
    }

    /// Requests to authorise the samples at these places, each with a key of its own.
    fn requests(&self, places: impl Iterator<Item = usize>) -> Vec<AuthorizeRequest> {
        let request = |place: usize| {
            let sample = &self.samples[place % self.samples.len()];
            let key = self.keys.fetch_add(1, Ordering::Relaxed);
            AuthorizeRequest {
                key: CallKey {
                    server: "pbx1".to_owned(),
                    unique_id: format!("pbx1-1763800000.{key}"),
                    leg: 1,
                },
                endpoint: sample.login.clone(),
                dialled: sample.number.to_string(),
                caller: "4930123456".to_owned(),
                source: Some(IpAddr::from([192, 0, 2, 7])),
                channel: String::new(),
                extras: Extras::default(),
            }
        };
        places.map(request).collect()
    }

    /// Ends the calls of these requests.
    fn void(&self, requests: &[AuthorizeRequest]) {
        let keys: Vec<CallKey> = requests.iter().map(|request| request.key.clone()).collect();
        self.runtime.block_on(self.house.void_all(&keys));
    }

    /// Does `work` while the journal's writer stands still: what it writes, it writes on another thread, and the
    /// ledger's benchmark measures it. Here it would only take a core from what is measured.
    fn while_writer_waits<T>(&self, work: impl FnOnce() -> T) -> T {
        let only_writer = self.runtime.block_on(self.house.services.store.begin()).unwrap();
        let done = work();
        self.runtime.block_on(only_writer.rollback()).unwrap();
        done
    }

    /// The whole authorisation: number, rates, holds, routes, ticket, the journal's hand-over, the variables.
    fn authorise(&self) {
        let (mut alone, mut beside) = (Rounds::default(), Rounds::default());
        for round in 0..ROUNDS {
            for writing in [false, true] {
                let requests = self.requests(round * CALLS..(round + 1) * CALLS);
                let granted = if writing {
                    beside.time(|| authorise_all(&self.house.calls, &requests))
                } else {
                    self.while_writer_waits(|| alone.time(|| authorise_all(&self.house.calls, &requests)))
                };
                assert_eq!(granted, CALLS, "every call is granted");
                self.void(&requests);
                assert_eq!(self.house.calls.open_calls(), 0, "no call is left");
            }
        }
        report_time("authorise", &alone, 5_000);
        report_time("authorise_while_the_journal_is_written", &beside, 5_000);
    }

    /// What one thread does and what two do on different clients of the same resellers; beside it what this machine
    /// gives two threads that share nothing.
    fn two_threads(&self) {
        let sides = [self.side(0), self.side(1)];
        let places = |round: usize, side: usize| -> Vec<usize> {
            (0..SHORT).map(|n| sides[side][(round * SHORT + n) % sides[side].len()]).collect()
        };
        let hold = |places: &Vec<usize>| -> Vec<Holds> {
            places.iter().filter_map(|at| self.hold(&self.samples[*at])).collect()
        };
        let give_back = |places: Vec<usize>, held: Vec<Holds>| {
            assert_eq!(held.len(), SHORT, "every call can be paid");
            for (at, holds) in places.iter().zip(held) {
                Self::release(&self.samples[*at], holds);
            }
        };
        let (mut nothing, mut holds, mut whole) = (Pair::default(), Pair::default(), Pair::default());
        for batch in 0..SHORT_ROUNDS / SHORT_AT_ONCE {
            let mut granted = Vec::new();
            self.while_writer_waits(|| {
                for (round, threads) in (0..SHORT_AT_ONCE).flat_map(|n| [(n, 1), (n, 2)]) {
                    let round = batch * SHORT_AT_ONCE + round;
                    nothing.round(threads, |side| round + side, |seed| spin(*seed), |_, _| {});
                    holds.round(threads, |side| places(round, side), hold, give_back);
                    whole.round(
                        threads,
                        |side| self.requests(places(round, side).into_iter()),
                        |requests| authorise_all(&self.house.calls, requests),
                        |requests, count| {
                            assert_eq!(count, SHORT, "every call is granted");
                            granted.extend(requests);
                        },
                    );
                }
            });
            self.void(&granted);
        }
        nothing.report("two_threads_that_share_nothing");
        holds.report("two_threads_rate_and_hold");
        whole.report("two_threads_authorise");
    }

    /// The samples of one thread: every second client of each reseller.
    fn side(&self, side: usize) -> Vec<usize> {
        let clients = &self.house.clients;
        let place = |sample: &Sample| clients.iter().position(|login| *login == sample.login);
        let samples = self.samples.iter().enumerate();
        samples
            .filter(|(_, sample)| place(sample).is_some_and(|at| at % 2 == side))
            .map(|(at, _)| at)
            .collect()
    }
}

/// What rounds of the same work took. The best one counts: what else the machine does only ever adds.
#[derive(Debug, Default)]
struct Rounds(Vec<Duration>);

impl Rounds {
    /// Times one round.
    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let done = work();
        self.0.push(begin.elapsed());
        done
    }

    /// Adds a round that was timed elsewhere.
    fn push(&mut self, took: Duration) {
        self.0.push(took);
    }

    /// The best round's nanoseconds for each of so many operations.
    fn best_ns(&self, operations: usize) -> u64 {
        per_operation(self.0.iter().min().copied(), operations)
    }

    /// The middle round's.
    fn median_ns(&self, operations: usize) -> u64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        per_operation(sorted.get(sorted.len() / 2).copied(), operations)
    }
}

fn per_operation(took: Option<Duration>, operations: usize) -> u64 {
    let nanos = took.unwrap_or_default().as_nanos() / u128::try_from(operations.max(1)).unwrap_or(1);
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

/// What one thread needs for its calls, and what two need for twice as many.
#[derive(Default)]
struct Pair {
    one: Rounds,
    two: Rounds,
}

impl Pair {
    /// A round on one or two threads. What `prepare` and `finish` do is not timed.
    fn round<W: Send, D: Send>(
        &mut self,
        threads: usize,
        prepare: impl Fn(usize) -> W,
        job: impl Fn(&W) -> D + Sync,
        mut finish: impl FnMut(W, D),
    ) {
        let arrived = AtomicUsize::new(0);
        let work: Vec<W> = (0..threads).map(prepare).collect();
        let done: Vec<(Instant, Instant, W, D)> = thread::scope(|scope| {
            let (arrived, job) = (&arrived, &job);
            let run = |work: W| {
                scope.spawn(move || {
                    arrived.fetch_add(1, Ordering::AcqRel);
                    // Awake, so that all begin at once.
                    while arrived.load(Ordering::Acquire) < threads {
                        spin_loop();
                    }
                    let begin = Instant::now();
                    let done = job(&work);
                    (begin, Instant::now(), work, done)
                })
            };
            let running: Vec<_> = work.into_iter().map(run).collect();
            running
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        });
        // From the first begin to the last end: threads that ran one after the other did nothing at once.
        let begin = done.iter().map(|(begin, ..)| *begin).min();
        let end = done.iter().map(|(_, end, ..)| *end).max();
        let took = begin.zip(end).map_or(Duration::ZERO, |(begin, end)| end - begin);
        if threads == 1 {
            self.one.push(took);
        } else {
            self.two.push(took);
        }
        for (_, _, work, done) in done {
            finish(work, done);
        }
    }

    fn report(&self, name: &str) {
        let (one, two) = (self.one.best_ns(SHORT), self.two.best_ns(2 * SHORT));
        report(name, &format!("one_ns={one} two_ns={two} ratio={} target_ratio=1.70", ratio(one, two)));
    }
}

/// Authorises all, and takes each grant as far as the words for Asterisk; how many were granted.
fn authorise_all(calls: &Calls, requests: &[AuthorizeRequest]) -> usize {
    let granted = |request: &&AuthorizeRequest| match calls.authorize(request) {
        Ok(grant) => {
            black_box(grant.variables());
            true
        }
        Err(_) => false,
    };
    requests.iter().filter(granted).count()
}

/// Work that touches no memory, about as long as a round.
fn spin(seed: usize) -> usize {
    (0..SHORT * 4_096).fold(black_box(seed), |state, n| black_box(state ^ n).rotate_left(7))
}

fn report_time(name: &str, rounds: &Rounds, target_ns: u64) {
    let (best, median) = (rounds.best_ns(CALLS), rounds.median_ns(CALLS));
    report(name, &format!("ns={best} median_ns={median} target_ns={target_ns}"));
}
