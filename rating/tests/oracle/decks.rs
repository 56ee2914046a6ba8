//! Random decks, plans, instants and credits that meet the edges on purpose.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use proptest::{collection::vec, option, prelude::*, sample::select};
use std::rc::Rc;
use tollgate_rating::{
    Money, PlanTerms, Prefix, RateRow,
    plan::{BlockRounding, Derivation, DurationRounding, Markup, Rounding, RoundingMode},
    tariff::{Days, ValidityBound},
};

/// The number that is called; the deck's prefixes are beginnings of it.
pub(crate) const NUMBER: &str = "4915123456789";

/// Instants at which a clock somewhere is put forward or back, a day begins, a week begins, or a day is left out.
const MOMENTS: [&str; 14] = [
    "2026-03-29T01:00:00Z", // Europe/Berlin forward
    "2026-10-25T01:00:00Z", // Europe/Berlin back
    "2026-03-08T07:00:00Z", // America/New_York forward
    "2026-11-01T06:00:00Z", // America/New_York back
    "2026-04-04T15:00:00Z", // Australia/Lord_Howe back by half an hour
    "2026-10-03T15:30:00Z", // Australia/Lord_Howe forward by half an hour
    "2024-03-30T22:00:00Z", // Asia/Beirut skips midnight
    "2026-11-01T05:00:00Z", // America/Havana repeats midnight's hour
    "2011-12-30T10:00:00Z", // Pacific/Apia leaves out a day
    "2026-06-08T00:00:00Z", // Monday's midnight in UTC
    "2026-06-07T22:00:00Z", // the same in Berlin
    "2026-06-02T18:15:00Z", // midnight in Asia/Kathmandu
    "2026-06-03T08:00:00Z",
    "2026-06-03T18:00:00Z",
];

const ZONES: [&str; 9] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Beirut",
    "America/Havana",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "Europe/Berlin",
];

/// An instant near one of those, to the nanosecond.
pub(crate) fn moments() -> impl Strategy<Value = Timestamp> {
    let near = prop_oneof![-400..400_i64, -7200..7200_i64, -90_000..90_000_i64];
    let nanos = prop_oneof![Just(0), Just(1), Just(999_999_999), 0..1_000_000_000_i32];
    (select(MOMENTS.to_vec()), near, nanos).prop_map(|(moment, seconds, nanos)| {
        moment.parse::<Timestamp>().unwrap() + SignedDuration::new(seconds, nanos)
    })
}

/// A plan's roundings and zone.
pub(crate) fn plans() -> impl Strategy<Value = PlanTerms> {
    let modes = [RoundingMode::Up, RoundingMode::HalfUp, RoundingMode::HalfEven, RoundingMode::Down];
    let durations = [DurationRounding::Up, DurationRounding::Down, DurationRounding::HalfUp];
    (
        select(modes.to_vec()),
        0..=9_u8,
        select(durations.to_vec()),
        select(vec![BlockRounding::AfterInitial, BlockRounding::Whole]),
        select(ZONES.to_vec()),
    )
        .prop_map(|(mode, decimals, duration_rounding, block_rounding, zone)| PlanTerms {
            rounding: Rounding::new(mode, decimals).unwrap(),
            duration_rounding,
            block_rounding,
            zone: TimeZone::get(zone).unwrap(),
        })
}

/// Amounts from nothing over the usual to the largest, some of them round.
fn amounts() -> impl Strategy<Value = Money> {
    prop_oneof![
        2 => Just(0),
        4 => (0..200_i64).prop_map(|cents| cents * 10_000_000),
        4 => 0..3_000_000_000_i64,
        1 => 0..=1_000_000_000_000_000_i64,
    ]
    .prop_map(Money::from_nanos)
}

fn blocks() -> impl Strategy<Value = u32> {
    prop_oneof![4 => select(vec![1, 6, 10, 30, 60]), 2 => 1..200_u32, 1 => Just(3600)]
}

/// The terms of one row; window, step and validity are set elsewhere.
fn terms() -> impl Strategy<Value = RateRow> {
    let bounds = prop_oneof![
        3 => Just((None, None)),
        2 => (option::of(amounts()), option::of(amounts())),
    ];
    let rare = prop_oneof![4 => Just(0), 1 => 0..90_u32];
    (
        amounts(),
        amounts(),
        prop_oneof![1 => Just(0), 5 => blocks()],
        blocks(),
        rare.clone(),
        rare,
        bounds,
        any::<bool>(),
    )
        .prop_map(
            |(price, connect_fee, initial_block, increment, free_below, additional_time, bounds, blocked)| {
                let (mut min_charge, mut max_charge) = bounds;
                if min_charge.zip(max_charge).is_some_and(|(min, max)| min > max) {
                    (min_charge, max_charge) = (max_charge, min_charge);
                }
                RateRow {
                    connect_fee,
                    initial_block,
                    increment,
                    free_below,
                    additional_time,
                    min_charge,
                    max_charge,
                    blocked,
                    ..RateRow::new(0, "4".parse().unwrap(), price)
                }
            },
        )
}

/// The steps of one window.
fn steps() -> impl Strategy<Value = Vec<RateRow>> {
    let later = vec((prop_oneof![1..60_u32, 1..400_u32], terms()), 0..3);
    (terms(), later).prop_map(|(first, later)| {
        let mut rows = vec![first];
        for (start, row) in later {
            if rows.iter().all(|known| known.step_start != start) {
                rows.push(RateRow { step_start: start, ..row });
            }
        }
        rows
    })
}

/// When a window opens and closes: often on the hour, at midnight and in the hours that clocks skip.
fn openings() -> impl Strategy<Value = (Days, u16, u16)> {
    let minutes =
        || prop_oneof![select(vec![0, 60, 120, 150, 180, 480, 1080, 1320, 1380, 1439]), 0..1440_u16];
    let ends = prop_oneof![Just(1440_u16), minutes()];
    (1..128_u8, minutes(), ends).prop_filter_map("opens when it closes", |(days, from, to)| {
        (from != to && (from, to) != (0, 1440)).then(|| (Days::from_bits(days).unwrap(), from, to))
    })
}

/// Minutes a week for which a row's window is open.
fn width(row: &RateRow) -> u16 {
    row.days.count() * (row.to_minute + 1440 - row.from_minute - 1).rem_euclid(1440) + row.days.count()
}

/// The rows of one rate: a window for all the week, and narrower ones in it.
fn rate() -> impl Strategy<Value = Vec<RateRow>> {
    let narrower = prop_oneof![2 => Just(0..1_usize), 3 => Just(1..4)]
        .prop_flat_map(|count| vec((openings(), steps()), count));
    (steps(), narrower).prop_map(|(always, narrower)| {
        let mut rows = always;
        for ((days, from_minute, to_minute), steps) in narrower {
            let window = |row| RateRow { days, from_minute, to_minute, ..row };
            let narrower: Vec<RateRow> = steps.into_iter().map(window).collect();
            // Windows of one width that meet are refused: of one width there is one.
            if rows.iter().all(|row| width(row) != width(&narrower[0])) {
                rows.extend(narrower);
            }
        }
        rows
    })
}

/// The rows of one prefix and validity, for most decks.
pub(crate) fn rates() -> impl Strategy<Value = Vec<RateRow>> {
    rate()
}

/// Decks of nested prefixes, each with rates that hold always, from some date or between two times.
pub(crate) fn decks() -> impl Strategy<Value = Vec<RateRow>> {
    let date = |text: &str| ValidityBound::Date(text.parse().unwrap());
    let time = |text: &str| ValidityBound::Instant(text.parse().unwrap());
    let bounds = vec![
        (None, None),
        (Some(date("2026-03-29")), None),
        (None, Some(date("2026-10-25"))),
        (Some(date("2011-12-31")), Some(time("2026-10-25T00:59:59.5Z"))),
        (Some(time("2026-03-29T01:00:00Z")), Some(date("2026-06-08"))),
        (Some(date("2024-03-31")), Some(date("2026-11-01"))),
    ];
    let validities = proptest::sample::subsequence(bounds, 1..4);
    let prefix = select(vec!["4", "49", "4915", "49151", "491512345678", NUMBER, "48", "491510"]);
    vec((prefix, validities, vec(rate(), 3)), 1..4).prop_map(|parts| {
        let mut rows: Vec<RateRow> = Vec::new();
        for (prefix, validities, rates) in parts {
            let prefix: Prefix = prefix.parse().unwrap();
            if rows.iter().any(|row| row.prefix == prefix) {
                continue;
            }
            for ((valid_from, valid_until), rate) in validities.into_iter().zip(rates) {
                rows.extend(rate.into_iter().map(|row| RateRow { prefix, valid_from, valid_until, ..row }));
            }
        }
        for (line, row) in (2..).zip(&mut rows) {
            row.line = line;
        }
        rows
    })
}

/// Up to four derivations, with and without overrides.
pub(crate) fn levels() -> impl Strategy<Value = Vec<Derivation>> {
    let percent = prop_oneof![Just(0), Just(200_000), 0..1_000_000_u32, 0..=8_000_000_u32];
    let overrides = vec((select(vec!["4", "49", "491", "4915", "491512", "48"]), amounts()), 0..3);
    let level = (percent, overrides).prop_map(|(percent, mut overrides)| {
        overrides.sort();
        overrides.dedup_by_key(|(prefix, _)| *prefix);
        let overrides = overrides.into_iter().map(|(prefix, price)| (prefix.parse().unwrap(), price));
        Derivation::new(Markup::from_millionths(percent).unwrap(), overrides).unwrap()
    });
    let level = Rc::new(level);
    prop_oneof![2 => Just(0..1_usize), 3 => Just(1..5)]
        .prop_flat_map(move |count| vec(Rc::clone(&level), count))
}
