//! Holding credit on two payers, and settling it; one thread beside two.
//!
//! `cargo bench -p tollgate-rating --bench credit`

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use std::{
    hint::{black_box, spin_loop},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};
use tollgate_rating::{
    AnswerRange, CallRate, Money, PlanTerms, PricedTariff, RateRow, Tariff,
    credit::{Chain, Day, Grant, Pricing, ReserveRequest, Slice, Wallet},
};

const RESELLERS: usize = 16;
const CLIENTS: usize = 2_000;
/// Calls of one pass; and how often a pass is repeated. The best counts, and a pass is so short that some are
/// disturbed by nothing else on the machine.
const CALLS: usize = 10_000;
const ROUNDS: usize = 300;

struct Priced {
    rate: CallRate,
    answered: AnswerRange,
}

impl Pricing for Priced {
    fn max_seconds(&self, credit: Money, cap: u32) -> u32 {
        self.rate.max_seconds(credit, cap, self.answered)
    }

    fn hold(&self, seconds: u32) -> Option<Money> {
        self.rate.hold(seconds, self.answered).ok()
    }
}

struct World {
    resellers: Vec<Arc<Wallet>>,
    clients: Vec<Arc<Wallet>>,
    prices: [Priced; 2],
}

const REQUEST: ReserveRequest = ReserveRequest {
    caps_seconds: 14_400,
    slice: Slice::Seconds(120),
    now_ms: 0,
    days: [Day::numbered(0); 4],
};

impl World {
    fn new() -> Self {
        let price = |nanos: i64| {
            let prefix = "49".parse().unwrap_or_else(|error| panic!("{error}"));
            let row = RateRow {
                initial_block: 30,
                increment: 6,
                ..RateRow::new(2, prefix, Money::from_nanos(nanos))
            };
            let Ok(tariff) = Tariff::compile([row]) else { panic!("one good row") };
            let plan = PricedTariff::new(Arc::new(tariff), Vec::new(), Arc::new(PlanTerms::default()));
            let number = "4930123456".parse().unwrap_or_else(|error| panic!("{error}"));
            let answered = AnswerRange::at(Timestamp::UNIX_EPOCH);
            let Ok(rate) = plan.rate(number, Timestamp::UNIX_EPOCH) else {
                panic!("the deck has the number")
            };
            Priced { rate, answered }
        };
        let wallets =
            |count| (0..count).map(|_| Arc::new(Wallet::new(Money::from_nanos(1_000_000_000_000)))).collect();
        Self {
            resellers: wallets(RESELLERS),
            clients: wallets(CLIENTS),
            prices: [price(24_000_000), price(20_000_000)],
        }
    }

    fn chain(&self, client: usize) -> Chain<'_> {
        let payers: [&Wallet; 2] = [&self.clients[client], &self.resellers[client / 3 % RESELLERS]];
        Chain::new(&payers).unwrap_or_else(|error| panic!("{error}"))
    }

    fn reserve(&self, chain: &Chain) -> Grant {
        chain.reserve(&self.prices, &REQUEST).unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    /// Holds and settles one call of a client, free of charge so that the credit lasts.
    fn call(&self, client: usize) {
        let chain = self.chain(client);
        let grant = self.reserve(&chain);
        let settled = chain.settle(grant.holds, &[Money::ZERO; 2], &REQUEST.days);
        assert!(black_box(settled).is_ok());
    }
}

/// Nanoseconds for `CALLS` calls in each of so many threads, each with clients of its own; the n-th thread's wallets
/// are in the n-th world, or in the last.
fn pass(worlds: &[&World], threads: usize) -> u128 {
    let arrived = AtomicUsize::new(0);
    let times = thread::scope(|scope| {
        let run = |thread: usize| {
            let (arrived, world) = (&arrived, worlds[thread.min(worlds.len() - 1)]);
            move || {
                arrived.fetch_add(1, Ordering::AcqRel);
                // Not asleep while waiting: all begin when all are on a processor.
                while arrived.load(Ordering::Acquire) < threads {
                    spin_loop();
                }
                let begin = Instant::now();
                for call in 0..CALLS {
                    world.call((call * threads + thread) % CLIENTS);
                }
                (begin, Instant::now())
            }
        };
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(run(thread))).collect();
        running.into_iter().map(|thread| thread.join().ok()).collect::<Option<Vec<_>>>()
    });
    // From the first begin to the last end: threads that took turns on one processor did nothing at once.
    let times = times.unwrap_or_default();
    let (begin, end) = (times.iter().map(|(begin, _)| begin).min(), times.iter().map(|(_, end)| end).max());
    begin.zip(end).map_or(u128::MAX, |(begin, end)| (*end - *begin).as_nanos())
}

/// One thread, two that share the resellers, and two that share nothing: what the machine can do at the time.
#[expect(clippy::print_stdout, reason = "the ratio is what the bench is for")]
fn scaling(world: &World) {
    let other = World::new();
    let (mut one, mut shared, mut apart) = (u128::MAX, u128::MAX, u128::MAX);
    for _ in 0..ROUNDS {
        one = one.min(pass(&[world], 1));
        shared = shared.min(pass(&[world], 2));
        apart = apart.min(pass(&[world, &other], 2));
    }
    let each = |ns: u128| ns / CALLS as u128;
    // Two threads make twice the calls.
    let ratio = |two: u128| format!("{}.{:02}", 2 * one / two, 200 * one / two % 100);
    println!(
        "reserve and settle, two payers: one thread {} ns a call; two threads {} ns each, {} times the calls; two \
         that share no wallet {} ns each, {} times",
        each(one),
        each(shared),
        ratio(shared),
        each(apart),
        ratio(apart),
    );
}

fn credit(criterion: &mut Criterion) {
    let world = World::new();
    scaling(&world);
    let mut clients = (0..CLIENTS).cycle();
    criterion.bench_function("credit/reserve", |bencher| {
        bencher.iter_custom(|calls| {
            let mut spent = std::time::Duration::ZERO;
            // In batches, so that reading the clock does not count, and released outside the measured time.
            let mut left = calls;
            while left > 0 {
                let batch = left.min(1_000);
                let chains: Vec<_> = clients.by_ref().take(usize::try_from(batch).unwrap_or(0)).collect();
                let begin = Instant::now();
                let grants: Vec<_> = chains
                    .iter()
                    .map(|client| {
                        let chain = world.chain(*client);
                        (chain, world.reserve(&chain).holds)
                    })
                    .collect();
                spent += begin.elapsed();
                for (chain, holds) in grants {
                    assert!(chain.release(holds).is_ok());
                }
                left -= batch;
            }
            spent
        });
    });
    criterion.bench_function("credit/reserve_and_settle", |bencher| {
        bencher.iter(|| clients.next().map(|client| world.call(client)));
    });
}

criterion_group!(benches, credit);
criterion_main!(benches);
