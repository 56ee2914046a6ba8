//! Many threads at the same wallets.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::HashMap,
    sync::{Barrier, Mutex},
    thread,
};
use tollgate_rating::{
    Money,
    credit::{Chain, Day, Grant, Guarded, Pricing, Refusal, RefusalReason, ReserveRequest, Slice, Wallet},
};

/// So many nanos a begun minute.
#[derive(Clone, Copy)]
struct PerMinute(i64);

impl Pricing for PerMinute {
    fn max_seconds(&self, credit: Money, cap: u32) -> u32 {
        u32::try_from(credit.nanos().max(0) / self.0 * 60).unwrap_or(u32::MAX).min(cap)
    }

    fn hold(&self, seconds: u32) -> Option<Money> {
        self.0.checked_mul(seconds.div_ceil(60).into()).map(Money::from_nanos)
    }
}

const RETAIL: PerMinute = PerMinute(120);
const WHOLESALE: PerMinute = PerMinute(100);
const THREADS: usize = 16;
const ATTEMPTS: usize = 1_000;

fn request(slice: Slice) -> ReserveRequest {
    ReserveRequest { caps_seconds: 60, slice, now_ms: 0, days: [Day::numbered(1); 4] }
}

fn wallet(nanos: i64) -> Wallet {
    Wallet::new(Money::from_nanos(nanos))
}

/// 1,000 attempts from 16 threads that start together; `client` says which client the n-th is of.
fn storm(clients: &[Wallet], reseller: &Wallet) -> Vec<Result<Grant, Refusal>> {
    let barrier = Barrier::new(THREADS);
    let outcomes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (barrier, outcomes) = (&barrier, &outcomes);
            scope.spawn(move || {
                barrier.wait();
                for attempt in (thread..ATTEMPTS).step_by(THREADS) {
                    let chain = Chain::new(&[&clients[attempt % clients.len()], reseller]).unwrap();
                    let outcome = chain.reserve(&[RETAIL, WHOLESALE], &request(Slice::Full));
                    assert!(!reseller.snapshot().available.is_negative());
                    outcomes.lock().unwrap().push(outcome);
                }
            });
        }
    });
    outcomes.into_inner().unwrap()
}

fn count(outcomes: &[Result<Grant, Refusal>]) -> (usize, HashMap<(usize, RefusalReason), usize>) {
    let mut refusals = HashMap::new();
    for refusal in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        *refusals.entry((refusal.payer_index, refusal.reason)).or_default() += 1;
    }
    (outcomes.iter().filter(|outcome| outcome.is_ok()).count(), refusals)
}

#[test]
fn credit_for_one_call_admits_one_of_a_thousand_simultaneous_calls() {
    let (client, reseller) = ([wallet(120)], wallet(1_000_000));
    let outcomes = storm(&client, &reseller);
    assert_eq!(count(&outcomes), (1, HashMap::from([((0, RefusalReason::NoCredit), ATTEMPTS - 1)])));
    assert_eq!((client[0].snapshot().available.nanos(), client[0].snapshot().held.nanos()), (0, 120));
    assert_eq!((reseller.snapshot().held.nanos(), reseller.snapshot().calls), (100, 1));
}

#[test]
fn a_reseller_with_credit_for_one_call_admits_one_call_of_all_its_rich_clients() {
    let clients: Vec<Wallet> = (0..50).map(|_| wallet(1_000_000)).collect();
    let reseller = wallet(199);
    let outcomes = storm(&clients, &reseller);
    assert_eq!(count(&outcomes), (1, HashMap::from([((1, RefusalReason::NoCredit), ATTEMPTS - 1)])));
    // Nothing stays held for the refused.
    assert_eq!(clients.iter().map(|client| client.snapshot().held.nanos()).sum::<i64>(), 120);
    assert_eq!(clients.iter().map(|client| client.snapshot().calls).sum::<u32>(), 1);
    assert_eq!(reseller.snapshot().held.nanos(), 100);
}

#[test]
fn holds_of_all_levels_belong_to_the_same_calls_while_calls_come_and_go() {
    let clients: Vec<Wallet> = (0..6).map(|_| wallet(2_000)).collect();
    let resellers = [wallet(1_500), wallet(1_500)];
    let top = wallet(2_500);
    let charged = Mutex::new([0_i64; 3]);
    thread::scope(|scope| {
        for thread in 0..4_usize {
            let (clients, resellers, top, charged) = (&clients, &resellers, &top, &charged);
            scope.spawn(move || {
                let mut live = Vec::new();
                for step in 0..4_000_usize {
                    let client = (step * 7 + thread * 3) % clients.len();
                    let chain = Chain::new(&[&clients[client], &resellers[client % 2], top]).unwrap();
                    if let Ok(grant) =
                        chain.reserve(&[RETAIL, WHOLESALE, WHOLESALE], &request(Slice::Seconds(1)))
                    {
                        live.push((chain, grant.holds));
                    }
                    for wallet in chain.wallets() {
                        assert!(!wallet.snapshot().available.is_negative());
                    }
                    if live.len() > 3 {
                        let (chain, holds) = live.swap_remove(step % 4);
                        if step % 200 == 0 {
                            let prices = [10, 7, 5];
                            chain
                                .settle(holds, &prices.map(Money::from_nanos), &[Day::numbered(1); 4])
                                .unwrap();
                            let mut sums = charged.lock().unwrap();
                            sums.iter_mut().zip(prices).for_each(|(sum, price)| *sum += price);
                        } else {
                            chain.release(holds).unwrap();
                        }
                    }
                }
                for (chain, holds) in live {
                    let amounts: Vec<i64> = holds.amounts().iter().map(|amount| amount.nanos()).collect();
                    assert_eq!(amounts, [120, 100, 100]);
                    chain.release(holds).unwrap();
                }
            });
        }
    });
    let [at_clients, at_resellers, at_top] = charged.into_inner().unwrap();
    let spent = |wallets: &[Wallet], opened: i64| -> i64 {
        wallets
            .iter()
            .map(|wallet| {
                let snapshot = wallet.snapshot();
                assert_eq!((snapshot.held, snapshot.calls, snapshot.overdraws), (Money::ZERO, 0, 0));
                opened - snapshot.balance.nanos()
            })
            .sum()
    };
    assert!(at_clients > 0, "some calls were charged");
    assert_eq!(spent(&clients, 2_000), at_clients);
    assert_eq!(spent(&resellers, 1_500), at_resellers);
    assert_eq!(spent(&[top], 2_500), at_top);
}

#[test]
fn a_price_that_panics_leaves_the_wallets_as_they_were() {
    struct Broken;
    impl Pricing for Broken {
        fn max_seconds(&self, _: Money, cap: u32) -> u32 {
            cap
        }
        fn hold(&self, _: u32) -> Option<Money> {
            panic!("a broken price")
        }
    }
    let (client, reseller) = (wallet(1_000), wallet(1_000));
    let before = (client.snapshot(), reseller.snapshot());
    thread::scope(|scope| {
        let attempt = scope.spawn(|| {
            let chain = Chain::new(&[&client, &reseller]).unwrap();
            chain.reserve(&[Broken, Broken], &request(Slice::Full)).is_ok()
        });
        assert!(attempt.join().is_err());
    });
    assert_eq!((client.snapshot(), reseller.snapshot()), before);
    assert_eq!(client.adjust(Money::from_nanos(5), Guarded::No).unwrap().nanos(), 1_005);
}
