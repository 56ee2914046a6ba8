//! What a single wallet or chain does, rule by rule.

use tollgate_rating::{
    Money,
    credit::{
        AdjustError, Chain, ChainError, Day, Guarded, Limits, Pricing, Refusal, RefusalReason,
        ReserveRequest, SettleError, Slice, Wallet,
    },
};

/// So many nanos a begun block of so many seconds.
#[derive(Clone, Copy)]
struct Blocks(i64, u32);

impl Pricing for Blocks {
    fn max_seconds(&self, credit: Money, cap: u32) -> u32 {
        match (credit.nanos(), self.0) {
            (..0, _) => 0,
            (_, 0) => cap,
            (credit, price) => u32::try_from(credit / price * i64::from(self.1)).unwrap_or(u32::MAX).min(cap),
        }
    }

    fn hold(&self, seconds: u32) -> Option<Money> {
        self.0.checked_mul(seconds.div_ceil(self.1).into()).map(Money::from_nanos)
    }
}

fn nanos(nanos: i64) -> Money {
    Money::from_nanos(nanos)
}

fn request(slice: Slice) -> ReserveRequest {
    ReserveRequest { caps_seconds: 3_600, slice, now_ms: 0, days: [Day::numbered(100); 4] }
}

const FULL: ReserveRequest =
    ReserveRequest { caps_seconds: 3_600, slice: Slice::Full, now_ms: 0, days: [Day::numbered(100); 4] };

fn refusal(payer_index: usize, reason: RefusalReason) -> Refusal {
    Refusal { payer_index, reason }
}

#[test]
fn a_chain_has_one_to_four_different_payers() {
    let wallets: Vec<Wallet> = (0..5).map(|_| Wallet::new(Money::ZERO)).collect();
    let all: Vec<&Wallet> = wallets.iter().collect();
    assert_eq!(Chain::new(&[]).unwrap_err(), ChainError::Empty);
    assert_eq!(Chain::new(&all).unwrap_err(), ChainError::TooLong);
    assert_eq!(Chain::new(&[all[0], all[1], all[0]]).unwrap_err(), ChainError::Repeated);
    assert_eq!(Chain::new(&all[..4]).unwrap().wallets().len(), 4);
}

#[test]
fn the_poorest_payer_says_how_long_the_call_may_be_and_each_holds_its_own_price() {
    let (client, reseller, top) =
        (Wallet::new(nanos(1_000)), Wallet::new(nanos(300)), Wallet::new(nanos(500)));
    let chain = Chain::new(&[&client, &reseller, &top]).unwrap();
    let grant = chain.reserve(&[Blocks(10, 6), Blocks(9, 6), Blocks(5, 1)], &FULL).unwrap();
    assert_eq!((grant.limit_seconds, grant.affordable_seconds, grant.funded_seconds), (3_600, 100, 100));
    assert_eq!(grant.holds.amounts(), [nanos(170), nanos(153), nanos(500)]);
}

#[test]
fn a_slice_is_held_where_more_is_affordable_and_what_is_affordable_where_less_is() {
    let client = Wallet::new(nanos(1_000));
    let chain = Chain::new(&[&client]).unwrap();
    let first = chain.reserve(&[Blocks(1, 1)], &request(Slice::Seconds(600))).unwrap();
    assert_eq!((first.affordable_seconds, first.funded_seconds), (1_000, 600));
    let second = chain.reserve(&[Blocks(1, 1)], &request(Slice::Seconds(600))).unwrap();
    assert_eq!((second.affordable_seconds, second.funded_seconds), (400, 400));
    let third = chain.reserve(&[Blocks(1, 1)], &request(Slice::Seconds(0))).unwrap_err();
    assert_eq!(third, refusal(0, RefusalReason::NoCredit));
    chain.release(first.holds).unwrap();
    let fourth = chain.reserve(&[Blocks(60, 60)], &request(Slice::Seconds(0))).unwrap();
    assert_eq!((fourth.funded_seconds, fourth.holds.amounts()), (1, &[nanos(60)][..]));
    chain.release(fourth.holds).unwrap();
    chain.release(second.holds).unwrap();
    assert_eq!(client.snapshot().available, nanos(1_000));
}

#[test]
fn a_refusal_names_the_first_payer_that_cannot_and_holds_nothing() {
    let (client, reseller) = (Wallet::new(nanos(1_000)), Wallet::new(nanos(59)));
    let chain = Chain::new(&[&client, &reseller]).unwrap();
    let prices = [Blocks(1, 1), Blocks(60, 60)];
    assert_eq!(chain.reserve(&prices, &FULL).unwrap_err(), refusal(1, RefusalReason::NoCredit));
    assert_eq!((client.snapshot().held, client.snapshot().calls), (Money::ZERO, 0));
    reseller.adjust(nanos(1), Guarded::Yes).unwrap();
    client.adjust(nanos(-1_000), Guarded::Yes).unwrap();
    assert_eq!(chain.reserve(&prices, &FULL).unwrap_err(), refusal(0, RefusalReason::NoCredit));
    assert_eq!(reseller.snapshot().held, Money::ZERO);
}

#[test]
fn a_call_that_costs_nothing_needs_no_credit_but_no_debt_either() {
    let client = Wallet::new(Money::ZERO);
    let chain = Chain::new(&[&client]).unwrap();
    let grant = chain.reserve(&[Blocks(0, 1)], &FULL).unwrap();
    assert_eq!((grant.funded_seconds, grant.holds.amounts()), (3_600, &[Money::ZERO][..]));
    client.adjust(nanos(-1), Guarded::No).unwrap();
    assert_eq!(chain.reserve(&[Blocks(0, 1)], &FULL).unwrap_err(), refusal(0, RefusalReason::NoCredit));
    chain.release(grant.holds).unwrap();
}

#[test]
fn a_credit_limit_is_credit() {
    let client = Wallet::new(nanos(-50));
    client.set_credit_limit(nanos(110), Guarded::Yes).unwrap();
    let chain = Chain::new(&[&client]).unwrap();
    let grant = chain.reserve(&[Blocks(1, 1)], &FULL).unwrap();
    assert_eq!(grant.funded_seconds, 60);
    assert_eq!(
        client.set_credit_limit(nanos(109), Guarded::Yes),
        Err(AdjustError::Insufficient { available: Money::ZERO })
    );
    client.set_credit_limit(nanos(100), Guarded::No).unwrap();
    assert_eq!(client.snapshot().available, nanos(-10));
    client.set_credit_limit(nanos(105), Guarded::Yes).unwrap();
    assert_eq!(client.set_credit_limit(nanos(-1), Guarded::No), Err(AdjustError::NegativeLimit));
    chain.release(grant.holds).unwrap();
}

#[test]
fn a_guarded_debit_leaves_what_is_held_alone() {
    let client = Wallet::new(nanos(100));
    let chain = Chain::new(&[&client]).unwrap();
    let grant = chain.reserve(&[Blocks(60, 3_600)], &FULL).unwrap();
    let short = AdjustError::Insufficient { available: nanos(40) };
    assert_eq!(client.adjust(nanos(-41), Guarded::Yes), Err(short));
    assert_eq!(client.adjust(nanos(-40), Guarded::Yes), Ok(nanos(60)));
    assert_eq!(client.adjust(nanos(-1), Guarded::No), Ok(nanos(59)));
    assert_eq!(client.adjust(Money::MAX, Guarded::No), Err(AdjustError::Overflow));
    assert_eq!(client.snapshot().balance, nanos(59));
    chain.release(grant.holds).unwrap();
}

#[test]
fn a_settlement_that_overdraws_is_made_and_counted() {
    let (client, reseller) = (Wallet::new(nanos(100)), Wallet::new(nanos(100)));
    let chain = Chain::new(&[&client, &reseller]).unwrap();
    let grant = chain.reserve(&[Blocks(60, 3_600), Blocks(50, 3_600)], &FULL).unwrap();
    let settled = chain.settle(grant.holds, &[nanos(130), nanos(100)], &[Day::numbered(100); 4]).unwrap();
    assert_eq!(settled.overdrawn, [30, 0, 0, 0].map(nanos));
    let after = client.snapshot();
    assert_eq!((after.balance, after.held, after.calls), (nanos(-30), Money::ZERO, 0));
    assert_eq!((after.overdraws, after.overdrawn), (1, nanos(30)));
    assert_eq!((reseller.snapshot().available, reseller.snapshot().overdraws), (Money::ZERO, 0));
}

#[test]
fn holds_that_do_not_fit_come_back_and_change_nothing() {
    let (client, reseller) = (Wallet::new(nanos(100)), Wallet::new(nanos(100)));
    let (pair, single) = (Chain::new(&[&client, &reseller]).unwrap(), Chain::new(&[&client]).unwrap());
    let prices = [Blocks(60, 3_600), Blocks(50, 3_600)];
    let holds = pair.reserve(&prices, &FULL).unwrap().holds;
    let before = (client.snapshot(), reseller.snapshot());
    let days = [Day::numbered(100); 4];
    let unsettled = single.settle(holds, &[nanos(1)], &days).unwrap_err();
    assert_eq!(unsettled.reason, SettleError::Mismatch);
    let unsettled = pair.settle(unsettled.holds, &[nanos(1)], &days).unwrap_err();
    assert_eq!(unsettled.reason, SettleError::Mismatch);
    let unsettled = pair.settle(unsettled.holds, &[nanos(1), nanos(-1)], &days).unwrap_err();
    assert_eq!(unsettled.reason, SettleError::NegativeCharge);
    reseller.adjust(nanos(i64::MIN), Guarded::No).unwrap();
    let unsettled = pair.settle(unsettled.holds, &[nanos(1), Money::MAX], &days).unwrap_err();
    assert_eq!(unsettled.reason, SettleError::Amount { payer_index: 1 });
    reseller.adjust(Money::MAX, Guarded::No).unwrap();
    reseller.adjust(nanos(1), Guarded::No).unwrap();
    assert_eq!((client.snapshot(), reseller.snapshot()), before);
    pair.release(unsettled.holds).unwrap();
    assert_eq!(client.snapshot().available, nanos(100));
}

#[test]
fn as_many_calls_as_allowed_are_up_at_once_at_every_level() {
    let (client, reseller) = (Wallet::new(nanos(1_000)), Wallet::new(nanos(1_000)));
    let chain = Chain::new(&[&client, &reseller]).unwrap();
    let (prices, slice) = ([Blocks(1, 1); 2], request(Slice::Seconds(1)));
    reseller.set_limits(Limits { concurrent_calls: Some(1), ..Limits::default() });
    let first = chain.reserve(&prices, &slice).unwrap();
    assert_eq!(chain.reserve(&prices, &slice).unwrap_err(), refusal(1, RefusalReason::CallLimit));
    client.set_limits(Limits { concurrent_calls: Some(0), ..Limits::default() });
    assert_eq!(chain.reserve(&prices, &slice).unwrap_err(), refusal(0, RefusalReason::CallLimit));
    client.set_limits(Limits::default());
    let _ = chain.settle(first.holds, &[nanos(1), nanos(1)], &slice.days).unwrap();
    let _held = chain.reserve(&prices, &slice).unwrap();
}

#[test]
fn calls_per_second_count_only_calls_that_were_admitted() {
    let (client, reseller) = (Wallet::new(nanos(1_000)), Wallet::new(Money::ZERO));
    let chain = Chain::new(&[&client, &reseller]).unwrap();
    client.set_limits(Limits { calls_per_second: Some(1), ..Limits::default() });
    let at = |now_ms| ReserveRequest { now_ms, ..request(Slice::Seconds(1)) };
    let prices = [Blocks(1, 1); 2];
    for now_ms in 0..10 {
        assert_eq!(chain.reserve(&prices, &at(now_ms)).unwrap_err(), refusal(1, RefusalReason::NoCredit));
    }
    reseller.adjust(nanos(1_000), Guarded::Yes).unwrap();
    let _first = chain.reserve(&prices, &at(10)).unwrap();
    assert_eq!(chain.reserve(&prices, &at(1_009)).unwrap_err(), refusal(0, RefusalReason::CpsLimit));
    let _second = chain.reserve(&prices, &at(1_010)).unwrap();
}

#[test]
fn the_daily_limit_is_a_second_purse_that_holds_count_against() {
    let client = Wallet::new(nanos(10_000));
    client.set_limits(Limits { daily_spend: Some(nanos(100)), ..Limits::default() });
    client.restore_spent(Day::numbered(100), nanos(30));
    let chain = Chain::new(&[&client]).unwrap();
    let first = chain.reserve(&[Blocks(1, 1)], &request(Slice::Seconds(50))).unwrap();
    let second = chain.reserve(&[Blocks(1, 1)], &FULL).unwrap();
    assert_eq!((first.affordable_seconds, second.funded_seconds), (70, 20));
    assert_eq!(chain.reserve(&[Blocks(1, 1)], &FULL).unwrap_err(), refusal(0, RefusalReason::DailyLimit));
    chain.release(second.holds).unwrap();
    let _ = chain.settle(first.holds, &[nanos(10)], &[Day::numbered(100); 4]).unwrap();
    assert_eq!(client.snapshot().spent, nanos(40));
    // The next day begins at nothing; what is still held counts in it.
    let tomorrow = ReserveRequest { days: [Day::numbered(101); 4], ..FULL };
    let third = chain.reserve(&[Blocks(1, 1)], &tomorrow).unwrap();
    assert_eq!(third.funded_seconds, 100);
    // Short of both: it is the credit that is named.
    client.adjust(nanos(-9_890), Guarded::Yes).unwrap();
    assert_eq!(chain.reserve(&[Blocks(1, 1)], &tomorrow).unwrap_err(), refusal(0, RefusalReason::NoCredit));
    chain.release(third.holds).unwrap();
}

#[test]
fn holds_of_calls_under_way_are_held_again_whatever_is_there() {
    let (client, reseller) = (Wallet::new(nanos(10)), Wallet::new(nanos(100)));
    let chain = Chain::new(&[&client, &reseller]).unwrap();
    assert!(chain.restore(&[nanos(1)]).is_none());
    assert!(chain.restore(&[nanos(1), nanos(-1)]).is_none());
    let holds = chain.restore(&[nanos(40), nanos(30)]).unwrap();
    assert_eq!((client.snapshot().available, client.snapshot().calls), (nanos(-30), 1));
    let settled = chain.settle(holds, &[nanos(40), nanos(30)], &[Day::numbered(1); 4]).unwrap();
    // It was overdrawn before it was charged.
    assert_eq!(settled.overdrawn, [Money::ZERO; 4]);
    assert_eq!((client.snapshot().balance, client.snapshot().held), (nanos(-30), Money::ZERO));
}

#[test]
fn a_price_that_is_no_amount_or_more_than_it_said_is_a_refusal() {
    struct Odd(Option<Money>);
    impl Pricing for Odd {
        fn max_seconds(&self, _: Money, cap: u32) -> u32 {
            cap.saturating_mul(2)
        }
        fn hold(&self, _: u32) -> Option<Money> {
            self.0
        }
    }
    let client = Wallet::new(nanos(100));
    let chain = Chain::new(&[&client]).unwrap();
    for hold in [None, Some(nanos(101)), Some(nanos(-1)), Some(Money::MAX)] {
        assert_eq!(chain.reserve(&[Odd(hold)], &FULL).unwrap_err(), refusal(0, RefusalReason::NoCredit));
    }
    assert_eq!(chain.reserve::<Odd>(&[], &FULL).unwrap_err(), refusal(0, RefusalReason::NoCredit));
    let nothing_allowed = ReserveRequest { caps_seconds: 0, ..FULL };
    assert_eq!(
        chain.reserve(&[Odd(None)], &nothing_allowed).unwrap_err(),
        refusal(0, RefusalReason::NoCredit)
    );
    let grant = chain.reserve(&[Odd(Some(nanos(100)))], &FULL).unwrap();
    assert_eq!(grant.funded_seconds, 3_600);
    chain.release(grant.holds).unwrap();
}

#[test]
fn what_is_given_away_is_ones_own_and_not_held() {
    let client = Wallet::new(nanos(100));
    client.set_credit_limit(nanos(1_000), Guarded::Yes).unwrap();
    let chain = Chain::new(&[&client]).unwrap();
    let grant = chain.reserve(&[Blocks(1, 1)], &ReserveRequest { caps_seconds: 30, ..FULL }).unwrap();
    assert_eq!(
        client.adjust(nanos(-71), Guarded::OwnMoney),
        Err(AdjustError::Insufficient { available: nanos(70) })
    );
    assert_eq!(client.adjust(nanos(-70), Guarded::OwnMoney), Ok(nanos(30)));
    assert_eq!(client.adjust(nanos(5), Guarded::OwnMoney), Ok(nanos(35)));
    chain.release(grant.holds).unwrap();
}
