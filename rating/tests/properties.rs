//! The closed form and its inverse against the slow, obvious version, over random decks, plans, instants, durations
//! and credits.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "oracle/decks.rs"]
mod decks;
#[path = "oracle/mod.rs"]
mod oracle;

use decks::NUMBER;
use jiff::{SignedDuration, Timestamp};
use oracle::Oracle;
use proptest::{prelude::*, sample::Index};
use std::sync::Arc;
use tollgate_rating::{
    AnswerRange, CallRate, Money, NoRate, PlanTerms, PricedTariff, RateRow, Tariff, call_rate::Part,
    plan::Derivation,
};

fn rate_of(
    deck: &[RateRow],
    plan: &PlanTerms,
    levels: Vec<Derivation>,
    at: Timestamp,
) -> Result<CallRate, NoRate> {
    let tariff = Arc::new(Tariff::compile(deck.to_vec()).unwrap());
    let levels = levels.into_iter().map(Arc::new).collect();
    PricedTariff::new(tariff, levels, Arc::new(plan.clone())).rate(NUMBER.parse().unwrap(), at)
}

/// Milliseconds around whole seconds, and a few long calls.
fn durations() -> impl Strategy<Value = u64> {
    let seconds = prop_oneof![8 => 0..700_u64, 3 => 0..9000_u64];
    (seconds, prop_oneof![Just(0), Just(1), Just(499), Just(500), Just(999)])
        .prop_map(|(seconds, ms)| seconds * 1000 + ms)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, ..ProptestConfig::default() })]

    #[test]
    fn a_charge_is_what_counting_block_by_block_gives(
        deck in decks::decks(), plan in decks::plans(), levels in decks::levels(),
        at in decks::moments(), ring in 0..200_i64, ms in durations(),
    ) {
        let oracle_levels: Vec<Derivation> = levels.iter().map(copy).collect();
        let oracle = Oracle::find(&deck, NUMBER, at, &plan, &oracle_levels);
        let (oracle, rate) = match (oracle, rate_of(&deck, &plan, levels, at)) {
            (None, rate) => {
                prop_assert_eq!(rate.err(), Some(NoRate::NoMatch));
                return Ok(());
            }
            (Some(oracle), rate) => (oracle, rate.unwrap()),
        };
        let answered = at + SignedDuration::from_secs(ring);
        let charge = rate.charge(ms, answered);
        let expected = oracle.charge(ms, answered);
        prop_assert_eq!(charge.as_ref().ok().map(|charge| (charge.amount, charge.billed_seconds)), expected);

        // What is printed is what is charged.
        let (price, prefix) = oracle.price(oracle.head(answered));
        prop_assert_eq!(i128::from(rate.price_per_minute(answered).nanos()), price.to_integer());
        prop_assert_eq!(rate.prefix().to_string(), prefix);
        prop_assert_eq!(rate.deck_prefix(), oracle.head(answered).prefix);
        prop_assert_eq!(rate.is_blocked(), oracle.head(at).blocked);
        if let Ok(charge) = &charge {
            let parts = charge.parts.as_slice();
            prop_assert_eq!(parts.iter().map(|part| part.seconds).sum::<u64>(), charge.billed_seconds);
            let follow = |pair: &[Part]| pair[0].from_second + pair[0].seconds == pair[1].from_second;
            prop_assert!(parts.windows(2).all(follow));
        }

        // What is kept with the call gives the same charge again.
        let kept: CallRate = serde_json::from_str(&serde_json::to_string(&rate).unwrap()).unwrap();
        prop_assert_eq!(kept.charge(ms, answered), charge);
        prop_assert_eq!(kept.prefix(), rate.prefix());
        prop_assert_eq!(kept.is_blocked(), rate.is_blocked());
    }

    #[test]
    fn the_longest_affordable_call_is_the_one_that_trying_them_all_gives(
        deck in decks::rates(), plan in decks::plans(), at in decks::moments(),
        span_ms in prop_oneof![1 => Just(0), 2 => 0..20_000_i64], cap in 1..500_u32,
        paid in any::<Index>(), over in prop_oneof![Just(-1), Just(0), Just(1), -5_000_000..5_000_000_i64],
    ) {
        let rate = rate_of(&deck, &plan, Vec::new(), at).unwrap();
        let oracle = Oracle::find(&deck, NUMBER, at, &plan, &[]).unwrap();
        let until = at + SignedDuration::from_millis(span_ms);
        let instants = answers(at, until);
        let charges: Vec<Vec<Money>> =
            instants.iter().map(|answered| oracle.charges(cap.into(), *answered)).collect();
        // A credit on the edge of some call's charge.
        let edge = charges[paid.index(charges.len())][paid.index(cap as usize)];
        let credit = Money::from_nanos(edge.nanos() + over);
        let affordable = |charges: &Vec<Money>| charges.iter().take_while(|charge| **charge <= credit).count();
        let expected = if credit.is_negative() { 0 } else { charges.iter().map(affordable).min().unwrap() };

        let answered = AnswerRange::new(at, until);
        let seconds = rate.max_seconds(credit, cap, answered);
        prop_assert_eq!(seconds as usize, expected);

        // What is held for it is the dearest it can cost, and the credit pays that.
        let hold = rate.hold(seconds, answered).unwrap();
        let dearest = |seconds: u32| charges.iter().map(|charges| charges[seconds as usize - 1]).max().unwrap();
        if seconds > 0 {
            prop_assert_eq!(hold, dearest(seconds));
            prop_assert!(hold <= credit);
        } else {
            prop_assert_eq!(hold, Money::ZERO);
        }
        prop_assert_eq!(rate.hold(cap, answered).unwrap(), dearest(cap));
    }

    #[test]
    fn a_longer_call_never_costs_less(
        deck in decks::rates(), plan in decks::plans(), at in decks::moments(), ms in durations(), more in durations(),
    ) {
        let rate = rate_of(&deck, &plan, Vec::new(), at).unwrap();
        let (short, long) = (rate.charge(ms, at).unwrap(), rate.charge(ms + more, at).unwrap());
        prop_assert!(short.amount <= long.amount);
        prop_assert!(short.billed_seconds <= long.billed_seconds);
    }

    #[test]
    fn more_credit_never_buys_less(
        deck in decks::rates(), plan in decks::plans(), at in decks::moments(),
        credit in 0..10_000_000_000_i64, more in 0..10_000_000_000_i64, cap in any::<u32>(), span in 0..90_i64,
    ) {
        let rate = rate_of(&deck, &plan, Vec::new(), at).unwrap();
        let answered = AnswerRange::new(at, at + SignedDuration::from_secs(span));
        let seconds = |credit, answered| rate.max_seconds(Money::from_nanos(credit), cap, answered);
        prop_assert!(seconds(credit, answered) <= seconds(credit + more, answered));
        prop_assert!(seconds(credit, answered) <= seconds(credit, AnswerRange::at(at)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn long_calls_over_changes_of_the_clock_are_charged_alike(
        deck in decks::rates(), plan in decks::plans(), at in decks::moments(), hours in 1..200_u64,
    ) {
        let deck: Vec<RateRow> = deck.into_iter().map(|row| RateRow { increment: row.increment.max(45), ..row }).collect();
        let rate = rate_of(&deck, &plan, Vec::new(), at).unwrap();
        let oracle = Oracle::find(&deck, NUMBER, at, &plan, &[]).unwrap();
        let charge = rate.charge(hours * 3_600_000, at).ok().map(|charge| (charge.amount, charge.billed_seconds));
        prop_assert_eq!(charge, oracle.charge(hours * 3_600_000, at));
    }

    #[test]
    fn long_affordable_calls_are_exact_to_the_second(
        deck in decks::rates(), plan in decks::plans(), at in decks::moments(),
        seconds in 1..500_000_u32, over in -1..=1_i64, span in 0..90_i64,
    ) {
        let rate = rate_of(&deck, &plan, Vec::new(), at).unwrap();
        let answered = AnswerRange::new(at, at + SignedDuration::from_secs(span));
        // What is no amount is more than any credit.
        let hold = |seconds| rate.hold(seconds, answered).unwrap_or(Money::MAX);
        let credit = Money::from_nanos(hold(seconds).nanos().saturating_add(over));
        prop_assume!(!credit.is_negative() && credit < Money::MAX);
        let affordable = rate.max_seconds(credit, 600_000, answered);
        prop_assert!(hold(affordable) <= credit);
        prop_assert!(affordable == 600_000 || hold(affordable + 1) > credit);
        prop_assert!(over < 0 || affordable >= seconds);
    }
}

/// The instants of a range to try: each second of it, and its end.
fn answers(from: Timestamp, until: Timestamp) -> Vec<Timestamp> {
    let seconds = (0..).map(|second| from + SignedDuration::from_secs(second));
    let mut instants: Vec<Timestamp> = seconds.take_while(|instant| *instant < until).collect();
    instants.push(until);
    instants
}

fn copy(level: &Derivation) -> Derivation {
    Derivation::new(level.percent(), level.overrides()).unwrap()
}
