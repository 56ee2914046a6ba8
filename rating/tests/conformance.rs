//! The rating cases that `CGRateS`' own tests assert, as far as exact arithmetic agrees with them
//! (`conformance/cgrates_rating.json`: facts from cgrates/cgrates at 19463bdc, each with its test).
//!
//! Slots become steps (rate per unit to price per minute, no initial block), periods become windows, `*up`,
//! `*middle` and `*down` become up, half-up and down. `CGRateS` writes prefixes and numbers that are none of E.164's
//! (`*any`, `1002`, `0256`): a rule below makes one of each.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use jiff::{Timestamp, tz::TimeZone};
use serde_json::Value;
use std::sync::Arc;
use tollgate_rating::{
    AnswerRange, CallRate, Money, PlanTerms, PricedTariff, RateRow, Tariff,
    plan::{Rounding, RoundingMode},
    tariff::{Days, parse_minute},
};

const CASES: &str = include_str!("conformance/cgrates_rating.json");

/// Cases in which a finished call is charged whatever it costs, though its tariff says that no call may get that
/// far (`*disconnect`): the amount bounds the grant, so it is asserted of `max_seconds` instead of the charge.
const BOUNDED_GRANTS: [(&str, u32); 3] = [
    ("u15_max_cost_disconnect_not_capped", 10),
    ("i04_tutorial_max_cost_disc_3600s", 12),
    ("o12_maxcost_50s", 62),
];

fn cases() -> Vec<Value> {
    let file: Value = serde_json::from_str(CASES).unwrap();
    file["cases"].as_array().unwrap().clone()
}

/// A JSON number, exactly: its text is short enough to be the decimal that was written.
fn money(number: &Value) -> Money {
    Money::parse(&number.to_string())
        .or_else(|_| Money::parse(number.to_string().trim_end_matches(".0")))
        .unwrap()
}

/// Digits that begin with none of E.164's trunk prefix: a leading 0 of a national number is Romania's, and what is
/// not digits at all is some number in the United States.
fn digits(text: &str) -> String {
    let text = text.trim_start_matches('+');
    match text.strip_prefix('0') {
        Some(national) => format!("40{national}"),
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.to_owned(),
        None => "1".to_owned(),
    }
}

/// The steps of slots, as rows.
fn steps(prefix: &str, connect_fee: &Value, slots: &Value) -> Vec<RateRow> {
    let slots = slots.as_array().unwrap().iter();
    slots
        .map(|slot| {
            let per_unit = i128::from(money(&slot["rate"]).nanos());
            let unit = i128::from(slot["rate_unit_s"].as_i64().unwrap());
            assert_eq!(per_unit * 60 % unit, 0, "the price of a minute is a whole number of nano-units");
            let price = Money::from_nanos(i64::try_from(per_unit * 60 / unit).unwrap());
            RateRow {
                connect_fee: money(connect_fee),
                initial_block: 0,
                increment: slot["rate_increment_s"].as_u64().unwrap().try_into().unwrap(),
                step_start: slot["group_interval_start_s"].as_u64().unwrap().try_into().unwrap(),
                ..RateRow::new(0, prefix.parse().unwrap(), price)
            }
        })
        .collect()
}

/// The rows of a case. A period is a window until the next period of its day begins.
fn deck(case: &Value) -> Vec<RateRow> {
    let tariff = &case["tariff"];
    // `*any` is a prefix of whatever is called.
    let called = digits(case["called_number"].as_str().unwrap());
    let prefix = match case["prefix"].as_str().unwrap() {
        "*any" | "any" => called[..1].to_owned(),
        prefix => digits(prefix),
    };
    let Some(periods) = tariff["periods"].as_array() else {
        return steps(&prefix, &tariff["connect_fee"], &tariff["slots"]);
    };
    let days = |period: &Value| -> Vec<u64> {
        period["weekdays"].as_array().unwrap().iter().map(|day| day.as_u64().unwrap()).collect()
    };
    let begin = |period: &Value| parse_minute(&period["start_time"].as_str().unwrap()[..5]).unwrap();
    let mut rows = Vec::new();
    for period in periods {
        let own = days(period);
        let same_days = periods.iter().filter(|other| days(other) == own);
        let until = same_days.map(begin).filter(|other| *other > begin(period)).min().unwrap_or(1440);
        let bits = own.iter().fold(0, |bits, day| bits | 1 << (day - 1));
        rows.extend(steps(&prefix, &period["connect_fee"], &period["slots"]).into_iter().map(|row| {
            RateRow {
                days: Days::from_bits(bits).unwrap(),
                from_minute: begin(period),
                to_minute: until,
                ..row
            }
        }));
    }
    rows
}

fn rate(case: &Value, max_charge: Option<Money>) -> CallRate {
    let tariff = &case["tariff"];
    let mode = match tariff["rounding_method"].as_str().unwrap() {
        "*up" => RoundingMode::Up,
        "*middle" => RoundingMode::HalfUp,
        "*down" => RoundingMode::Down,
        other => panic!("rounding {other} is not known"),
    };
    let decimals = tariff["rounding_decimals"].as_u64().unwrap().try_into().unwrap();
    let terms = PlanTerms {
        rounding: Rounding::new(mode, decimals).unwrap(),
        zone: TimeZone::UTC,
        ..PlanTerms::default()
    };
    let rows = deck(case).into_iter().map(|row| RateRow { max_charge, ..row });
    let tariff = Tariff::compile(rows).unwrap_or_else(|errors| panic!("{}: {errors}", case["id"]));
    let number = digits(case["called_number"].as_str().unwrap()).parse().unwrap();
    PricedTariff::new(Arc::new(tariff), Vec::new(), Arc::new(terms)).rate(number, start(case)).unwrap()
}

fn start(case: &Value) -> Timestamp {
    case["start_time"].as_str().unwrap().parse().unwrap()
}

#[test]
fn every_case_is_charged_as_cgrates_asserts() {
    let cases = cases();
    assert_eq!(cases.len(), 25);
    for case in &cases {
        let strategy = case["tariff"]["max_cost_strategy"].as_str();
        let max_charge = (strategy == Some("*free")).then(|| money(&case["tariff"]["max_cost"]));
        let rate = rate(case, max_charge);
        let charge = rate.charge(case["duration_s"].as_u64().unwrap() * 1000, start(case)).unwrap();
        assert_eq!(charge.amount, money(&case["expected_cost"]), "{}", case["id"]);
    }
}

#[test]
fn a_cost_that_disconnects_bounds_the_grant_and_not_the_charge() {
    let cases = cases();
    let bounded = |case: &&Value| case["tariff"]["max_cost_strategy"] == "*disconnect";
    assert_eq!(cases.iter().filter(bounded).count(), BOUNDED_GRANTS.len());
    for (id, seconds) in BOUNDED_GRANTS {
        let case = cases.iter().find(|case| case["id"] == id).unwrap();
        let credit = money(&case["tariff"]["max_cost"]);
        assert_eq!(
            rate(case, None).max_seconds(credit, 14_400, AnswerRange::at(start(case))),
            seconds,
            "{id}"
        );
    }
}
