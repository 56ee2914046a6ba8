//! Worked examples: the rules one by one, with numbers that a person can check.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use jiff::{Timestamp, tz::TimeZone};
use std::sync::Arc;
use tollgate_rating::{
    AnswerRange, CallRate, Money, NoRate, PlanTerms, Prefix, PricedTariff, RateRow, RatingError, Tariff,
    call_rate::{ChargeLimit, MAX_CALL_SECONDS},
    plan::{BlockRounding, Derivation, DurationRounding, Rounding, RoundingMode},
};

fn amount(text: &str) -> Money {
    Money::parse(text).unwrap()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A Wednesday morning.
fn now() -> Timestamp {
    time("2026-06-03T10:00:00Z")
}

fn row(prefix: &str, price: &str) -> RateRow {
    RateRow::new(2, prefix.parse().unwrap(), amount(price))
}

fn blocks(price: &str, initial_block: u32, increment: u32) -> RateRow {
    RateRow { initial_block, increment, ..row("49", price) }
}

fn plan(rows: Vec<RateRow>, levels: Vec<Derivation>, terms: PlanTerms) -> PricedTariff {
    let levels = levels.into_iter().map(Arc::new).collect();
    PricedTariff::new(Arc::new(Tariff::compile(rows).unwrap()), levels, Arc::new(terms))
}

fn rate_with(rows: Vec<RateRow>, terms: PlanTerms) -> CallRate {
    plan(rows, Vec::new(), terms).rate("4915123".parse().unwrap(), now()).unwrap()
}

fn rate(rows: Vec<RateRow>) -> CallRate {
    rate_with(rows, PlanTerms::default())
}

/// Billed seconds and charge of a call.
fn cost(rate: &CallRate, ms: u64) -> (u64, String) {
    let charge = rate.charge(ms, now()).unwrap();
    (charge.billed_seconds, charge.amount.to_string())
}

fn seconds(rate: &CallRate, credit: &str) -> u32 {
    rate.max_seconds(amount(credit), 14_400, AnswerRange::at(now()))
}

#[test]
fn blocks_are_counted_after_the_initial_one() {
    assert_eq!(cost(&rate(vec![blocks("0.05", 30, 6)]), 45_000), (48, "0.04".into()));
    assert_eq!(cost(&rate(vec![blocks("0.05", 20, 60)]), 45_000), (80, "0.066667".into()));
    let with_fee = RateRow { connect_fee: amount("0.01"), ..blocks("0.012", 60, 60) };
    assert_eq!(cost(&rate(vec![with_fee]), 61_000), (120, "0.034".into()));
}

#[test]
fn whole_blocks_are_counted_from_the_begin_of_the_call() {
    let whole = || PlanTerms { block_rounding: BlockRounding::Whole, ..PlanTerms::default() };
    let rate = rate_with(vec![blocks("0.05", 20, 60)], whole());
    assert_eq!(cost(&rate, 20_000), (20, "0.016667".into()));
    assert_eq!(cost(&rate, 45_000), (60, "0.05".into()));
    assert_eq!(cost(&rate, 60_001), (120, "0.1".into()));
    let rate = rate_with(vec![blocks("0.05", 30, 6)], whole());
    assert_eq!(cost(&rate, 45_000), (48, "0.04".into()));
    assert_eq!(cost(&rate, 31_000), (36, "0.03".into()));
}

#[test]
fn an_unanswered_call_costs_nothing_not_even_the_connect_fee() {
    let fee = RateRow { connect_fee: amount("0.1"), min_charge: Some(amount("0.2")), ..blocks("0.05", 1, 1) };
    let rate = rate(vec![fee]);
    assert_eq!(cost(&rate, 0), (0, "0".into()));
    assert_eq!(cost(&rate, 1), (1, "0.2".into()));
}

#[test]
fn duration_is_rounded_as_the_plan_says() {
    let with = |duration_rounding| {
        let terms = PlanTerms { duration_rounding, ..PlanTerms::default() };
        cost(&rate_with(vec![blocks("0.6", 1, 1)], terms), 1_499).1
    };
    assert_eq!(with(DurationRounding::Up), "0.02");
    assert_eq!(with(DurationRounding::Down), "0.01");
    assert_eq!(with(DurationRounding::HalfUp), "0.01");
}

#[test]
fn free_and_added_time_are_counted_before_blocks() {
    let free = RateRow { free_below: 5, additional_time: 3, ..blocks("0.6", 10, 10) };
    let rate = rate(vec![free]);
    assert_eq!(cost(&rate, 2_000), (0, "0".into()));
    assert_eq!(cost(&rate, 2_001), (10, "0.1".into()));
    assert_eq!(cost(&rate, 7_000), (10, "0.1".into()));
    assert_eq!(cost(&rate, 8_000), (20, "0.2".into()));
    assert_eq!(seconds(&rate, "0"), 2);
    assert_eq!(seconds(&rate, "0.1"), 7);
    assert_eq!(seconds(&rate, "0.199999"), 7);
}

#[test]
fn the_least_and_the_largest_charge_are_before_the_rounding() {
    let bounded = RateRow {
        min_charge: Some(amount("0.015")),
        max_charge: Some(amount("0.25")),
        ..blocks("0.6", 1, 1)
    };
    let terms = PlanTerms { rounding: Rounding::new(RoundingMode::Up, 2).unwrap(), ..PlanTerms::default() };
    let rate = rate_with(vec![bounded], terms);
    assert_eq!(cost(&rate, 1_000).1, "0.02");
    assert_eq!(rate.charge(1_000, now()).unwrap().limit, Some(ChargeLimit::Min));
    assert_eq!(cost(&rate, 2_000).1, "0.02");
    assert_eq!(cost(&rate, 3_600_000).1, "0.25");
    assert_eq!(rate.charge(3_600_000, now()).unwrap().limit, Some(ChargeLimit::Max));
    assert_eq!(seconds(&rate, "0.25"), 14_400);
    assert_eq!(seconds(&rate, "0.24"), 24);
    assert_eq!(seconds(&rate, "0.019"), 0);
}

#[test]
fn a_step_that_begins_inside_a_block_applies_from_the_next() {
    let first = blocks("0.6", 0, 60);
    let second = RateRow { step_start: 90, ..blocks("0.3", 0, 1) };
    let rate = rate(vec![second, first]);
    let charge = rate.charge(125_000, now()).unwrap();
    let parts: Vec<_> = charge.parts.as_slice().iter().map(|part| (part.from_second, part.seconds)).collect();
    assert_eq!(parts, [(0, 120), (120, 5)]);
    assert_eq!(charge.amount.to_string(), "1.225");
    assert_eq!(seconds(&rate, "1.225"), 125);
    assert_eq!(seconds(&rate, "1.224999"), 124);
}

#[test]
fn a_window_that_opens_inside_a_block_applies_from_the_next() {
    let day = RateRow { from_minute: 480, to_minute: 1200, ..blocks("0.6", 60, 60) };
    let night = blocks("0.06", 1, 1);
    let rate = rate(vec![day, night]);
    // Answered 90 s before 20:00 UTC: two blocks by day, and the rest by night.
    let answered = time("2026-06-03T19:58:30Z");
    let charge = rate.charge(150_000, answered).unwrap();
    assert_eq!((charge.billed_seconds, charge.amount.to_string()), (150, "1.23".into()));
    // Answered in the same second of the clock, half a second later: the window still opens at second 90.
    assert_eq!(rate.charge(150_000, time("2026-06-03T19:58:30.5Z")).unwrap(), charge);
}

#[test]
fn a_window_opens_at_the_first_whole_second_that_is_not_before_it() {
    let day = RateRow { from_minute: 480, to_minute: 1200, ..blocks("0.6", 1, 1) };
    let rate = rate(vec![day, blocks("6", 1, 1)]);
    let by_day = |answered: &str| {
        let charge = rate.charge(150_000, time(answered)).unwrap();
        charge.parts.as_slice()[0].seconds
    };
    assert_eq!(by_day("2026-06-03T19:58:30Z"), 90);
    assert_eq!(by_day("2026-06-03T19:58:30.000001Z"), 90);
    assert_eq!(by_day("2026-06-03T19:58:30.999999999Z"), 90);
    assert_eq!(by_day("2026-06-03T19:58:31Z"), 89);
}

#[test]
fn a_call_that_may_be_answered_in_two_windows_is_held_at_the_dearer() {
    let day = RateRow { from_minute: 480, to_minute: 1200, ..blocks("0.6", 1, 1) };
    let rate = rate(vec![day, blocks("6", 1, 1)]);
    let ringing = AnswerRange::new(time("2026-06-03T19:59:30Z"), time("2026-06-03T20:00:00Z"));
    assert_eq!(rate.hold(10, ringing).unwrap(), amount("1"));
    assert_eq!(rate.max_seconds(amount("1"), 14_400, ringing), 10);
    // However late in the ringing the dearer opens.
    let long = AnswerRange::new(time("2026-06-03T19:58:00Z"), time("2026-06-03T20:00:00Z"));
    assert_eq!(rate.hold(10, long).unwrap(), amount("1"));
    assert_eq!(rate.max_seconds(amount("0.1"), 14_400, long), 1);
    let before = AnswerRange::new(time("2026-06-03T19:58:00Z"), time("2026-06-03T19:59:50Z"));
    assert_eq!(rate.max_seconds(amount("0.1"), 14_400, before), 10);
    assert_eq!(rate.max_seconds(amount("1"), 14_400, AnswerRange::at(time("2026-06-03T19:58:00Z"))), 100);
}

#[test]
fn windows_are_read_in_the_plans_zone_across_summer_time() {
    // 00:00 to 03:00 in Berlin, on the night in which 02:00 to 03:00 is left out: two hours long.
    let night = RateRow { from_minute: 0, to_minute: 180, ..blocks("0.6", 1, 1) };
    let terms = || PlanTerms { zone: TimeZone::get("Europe/Berlin").unwrap(), ..PlanTerms::default() };
    let rate = rate_with(vec![night, blocks("6", 1, 1)], terms());
    let parts = |answered: &str| {
        let charge = rate.charge(5 * 3_600_000, time(answered)).unwrap();
        charge.parts.as_slice().iter().map(|part| part.seconds / 60).collect::<Vec<_>>()
    };
    assert_eq!(parts("2026-03-28T23:00:00Z"), [120, 180]);
    // On the night in which 02:00 to 03:00 comes twice: four.
    assert_eq!(parts("2026-10-24T22:00:00Z"), [240, 60]);
    assert_eq!(parts("2026-06-02T22:00:00Z"), [180, 120]);
}

#[test]
fn a_rate_that_is_not_valid_gives_way_to_the_next_shorter_prefix() {
    let until = |row: RateRow, date: &str| RateRow { valid_until: Some(date.parse().unwrap()), ..row };
    let from = |row: RateRow, date: &str| RateRow { valid_from: Some(date.parse().unwrap()), ..row };
    let rows = vec![
        row("49", "0.01"),
        until(row("4915", "0.02"), "2026-01-01"),
        from(row("4915", "0.03"), "2026-06-01"),
        from(row("4915", "0.04"), "2026-06-10"),
    ];
    let plan = plan(rows, Vec::new(), PlanTerms::default());
    let price = |at: &str| {
        let at = time(at);
        plan.rate("4915123".parse().unwrap(), at).unwrap().price_per_minute(at).to_string()
    };
    assert_eq!(price("2025-12-31T23:59:59Z"), "0.02");
    assert_eq!(price("2026-01-01T00:00:00Z"), "0.01");
    assert_eq!(price("2026-06-01T00:00:00Z"), "0.03");
    assert_eq!(price("2026-06-10T00:00:00Z"), "0.04");
}

#[test]
fn no_rate_means_no_call_even_with_an_override() {
    let prefix: Prefix = "1".parse().unwrap();
    let level = Derivation::new("20".parse().unwrap(), [(prefix, amount("0.01"))]).unwrap();
    let plan = plan(vec![row("49", "0.01")], vec![level], PlanTerms::default());
    assert_eq!(plan.rate("12125550123".parse().unwrap(), now()).err(), Some(NoRate::NoMatch));
}

#[test]
fn overrides_come_first_and_later_levels_mark_them_up() {
    let level = |percent: &str, overrides: &[(&str, &str)]| {
        let overrides = overrides.iter().map(|(prefix, price)| (prefix.parse().unwrap(), amount(price)));
        Derivation::new(percent.parse().unwrap(), overrides).unwrap()
    };
    let price = |levels: Vec<Derivation>, number: &str| {
        let rows = vec![RateRow { connect_fee: amount("0.1"), ..row("49", "0.01") }];
        let rate = plan(rows, levels, PlanTerms::default()).rate(number.parse().unwrap(), now()).unwrap();
        (rate.price_per_minute(now()).to_string(), rate.terms(now()).connect_fee.to_string())
    };
    let of = |price: &str, fee: &str| (price.to_owned(), fee.to_owned());
    assert_eq!(price(vec![level("20", &[])], "4930"), of("0.012", "0.12"));
    assert_eq!(price(vec![level("20", &[]), level("10", &[])], "4930"), of("0.0132", "0.132"));
    let special = || level("20", &[("4915", "0.05")]);
    assert_eq!(price(vec![special()], "4915"), of("0.05", "0.12"));
    assert_eq!(price(vec![special(), level("10", &[])], "4915"), of("0.055", "0.132"));
    assert_eq!(price(vec![special(), level("10", &[("49", "0.02")])], "4915"), of("0.055", "0.132"));
    assert_eq!(price(vec![special(), level("10", &[("49", "0.02")])], "4930"), of("0.02", "0.132"));
    // An override shorter than the deck's prefix is not the longest prefix.
    assert_eq!(price(vec![level("20", &[("4", "9")])], "4930"), of("0.012", "0.12"));
}

#[test]
fn credit_short_of_the_first_block_buys_nothing() {
    let rate = rate(vec![RateRow { connect_fee: amount("0.02"), ..blocks("0.6", 60, 60) }]);
    assert_eq!(seconds(&rate, "0.62"), 60);
    assert_eq!(seconds(&rate, "0.6199994"), 0);
    assert_eq!(seconds(&rate, "-1"), 0);
    assert_eq!(rate.max_seconds(amount("0.62"), 30, AnswerRange::at(now())), 30);
    assert_eq!(
        rate.max_seconds(Money::MAX, u32::MAX, AnswerRange::at(now())),
        u32::try_from(MAX_CALL_SECONDS).unwrap()
    );
}

#[test]
fn a_price_of_zero_is_free_for_ever_and_needs_no_credit() {
    let rate = rate(vec![blocks("0", 60, 60)]);
    assert_eq!(seconds(&rate, "0"), 14_400);
    assert_eq!(seconds(&rate, "-0.000000001"), 0);
    assert_eq!(cost(&rate, 1_000_000), (1020, "0".into()));
}

#[test]
fn what_cannot_be_charged_is_an_error_and_never_a_wrong_amount() {
    let dear = rate(vec![blocks("1000000", 1, 1)]);
    assert_eq!(dear.charge(MAX_CALL_SECONDS * 1000, now()), Err(RatingError::Overflow));
    assert_eq!(dear.hold(31_000_000, AnswerRange::at(now())), Err(RatingError::Overflow));
    let too_long = RatingError::TooLong { seconds: MAX_CALL_SECONDS + 1 };
    assert_eq!(dear.charge(MAX_CALL_SECONDS * 1000 + 1, now()), Err(too_long));
    assert!(matches!(dear.charge(u64::MAX, now()), Err(RatingError::TooLong { .. })));
}

#[test]
fn ten_hours_are_charged_with_as_few_runs_as_ten_seconds() {
    let rate = rate(vec![blocks("0.6", 30, 6), RateRow { step_start: 60, ..blocks("0.3", 1, 1) }]);
    let parts = |seconds: u64| rate.charge(seconds * 1000, now()).unwrap().parts.as_slice().len();
    assert_eq!((parts(10), parts(61), parts(36_000)), (1, 2, 2));
}
