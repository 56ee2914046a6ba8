//! The reservation primitive in every interleaving of two threads.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p tollgate-rating --release --test loom_reserve`
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use loom::{sync::Arc, thread};
use tollgate_rating::{
    Money,
    credit::{Chain, Day, Grant, Guarded, Pricing, Refusal, RefusalReason, ReserveRequest, Slice, Wallet},
};

/// What one call costs each payer.
const CALL_NANOS: i64 = 100;

/// A call costs the same however long it is.
struct Flat;

impl Pricing for Flat {
    fn max_seconds(&self, credit: Money, cap: u32) -> u32 {
        if credit.nanos() >= CALL_NANOS { cap } else { 0 }
    }

    fn hold(&self, _: u32) -> Option<Money> {
        Some(Money::from_nanos(CALL_NANOS))
    }
}

const REQUEST: ReserveRequest =
    ReserveRequest { caps_seconds: 60, slice: Slice::Full, now_ms: 0, days: [Day::numbered(1); 4] };

fn wallet(calls: i64) -> Arc<Wallet> {
    Arc::new(Wallet::new(Money::from_nanos(calls * CALL_NANOS)))
}

fn reserve(wallets: &[&Wallet]) -> Result<Grant, Refusal> {
    let granted = Chain::new(wallets).unwrap().reserve(&[Flat, Flat, Flat], &REQUEST);
    for wallet in wallets {
        assert!(!wallet.snapshot().available.is_negative());
    }
    granted
}

#[test]
fn of_two_clients_with_credit_for_one_call_at_their_reseller_exactly_one_calls() {
    loom::model(|| {
        let (first, second, reseller, top) = (wallet(9), wallet(9), wallet(1), wallet(9));
        let other = {
            let (second, reseller, top) = (second.clone(), reseller.clone(), top.clone());
            thread::spawn(move || reserve(&[&second, &reseller, &top]).is_ok())
        };
        let granted = reserve(&[&first, &reseller, &top]);
        let mine = granted.is_ok();
        if let Err(refusal) = granted {
            assert_eq!(refusal, Refusal { payer_index: 1, reason: RefusalReason::NoCredit });
        }
        let others = other.join().unwrap();
        assert!(mine ^ others, "exactly one");
        assert_eq!(reseller.snapshot().available, Money::ZERO);
        assert_eq!((reseller.snapshot().held.nanos(), top.snapshot().held.nanos()), (CALL_NANOS, CALL_NANOS));
        // The refused one holds nothing anywhere.
        let (winner, loser) = if mine { (&first, &second) } else { (&second, &first) };
        assert_eq!((winner.snapshot().held.nanos(), winner.snapshot().calls), (CALL_NANOS, 1));
        assert_eq!((loser.snapshot().held.nanos(), loser.snapshot().calls), (0, 0));
    });
}

#[test]
fn a_client_with_credit_for_one_call_that_tries_two_gets_exactly_one() {
    loom::model(|| {
        let (client, reseller) = (wallet(1), wallet(9));
        let other = {
            let (client, reseller) = (client.clone(), reseller.clone());
            thread::spawn(move || reserve(&[&client, &reseller]).is_ok())
        };
        let mine = reserve(&[&client, &reseller]).is_ok();
        assert!(mine ^ other.join().unwrap(), "exactly one");
        assert_eq!(reseller.snapshot().held.nanos(), CALL_NANOS);
        assert_eq!(reseller.snapshot().calls, 1);
    });
}

#[test]
fn a_call_that_ends_while_another_begins_gives_its_credit_back_or_not_yet() {
    loom::model(|| {
        let (first, second, reseller) = (wallet(1), wallet(1), wallet(1));
        let held = reserve(&[&first, &reseller]).unwrap().holds;
        let other = {
            let (second, reseller) = (second.clone(), reseller.clone());
            thread::spawn(move || reserve(&[&second, &reseller]).is_ok())
        };
        Chain::new(&[&first, &reseller]).unwrap().release(held).unwrap();
        let held_nanos = if other.join().unwrap() { CALL_NANOS } else { 0 };
        assert_eq!(reseller.snapshot().held.nanos(), held_nanos);
        assert_eq!(second.snapshot().held.nanos(), held_nanos);
        assert_eq!(first.snapshot().held.nanos(), 0);
    });
}

#[test]
fn credit_that_is_spent_elsewhere_is_not_held_as_well() {
    loom::model(|| {
        let (client, reseller) = (wallet(1), wallet(1));
        let other = {
            let reseller = reseller.clone();
            thread::spawn(move || reseller.adjust(Money::from_nanos(-CALL_NANOS), Guarded::Yes).is_ok())
        };
        let called = reserve(&[&client, &reseller]).is_ok();
        assert!(called ^ other.join().unwrap(), "either the call or the payment");
        assert_eq!(reseller.snapshot().available, Money::ZERO);
        assert_eq!(client.snapshot().held.nanos(), if called { CALL_NANOS } else { 0 });
    });
}
