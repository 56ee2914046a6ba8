//! What a deck may say, and how it is refused.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "oracle/decks.rs"]
#[expect(dead_code, reason = "the other strategies are for the property tests")]
mod random;

use jiff::{Timestamp, tz::TimeZone};
use proptest::prelude::*;
use tollgate_rating::{
    Money, Prefix, RateRow, Tariff,
    tariff::{DeckErrors, MAX_PRICE},
};

fn row(line: u64, prefix: &str) -> RateRow {
    RateRow { destination: "Germany".into(), ..RateRow::new(line, prefix.parse().unwrap(), Money::ZERO) }
}

fn refused(rows: Vec<RateRow>) -> DeckErrors {
    Tariff::compile(rows).unwrap_err()
}

/// The line and column of the only error of a deck, and its reason.
fn only(rows: Vec<RateRow>) -> (u64, &'static str, String) {
    let mut errors = refused(rows);
    assert_eq!(errors.total, 1, "{errors}");
    let error = errors.first.remove(0);
    (error.line, error.column, error.reason)
}

#[test]
fn a_bad_value_is_named_by_line_and_column() {
    let dear = Money::from_nanos(MAX_PRICE.nanos() + 1);
    let negative = Money::from_nanos(-1);
    let cent = |cents: i64| Some(Money::from_nanos(cents * 10_000_000));
    let date = |text: &str| Some(text.parse().unwrap());
    for (column, row) in [
        ("price_per_minute", RateRow { price_per_minute: dear, ..row(7, "49") }),
        ("price_per_minute", RateRow { price_per_minute: negative, ..row(7, "49") }),
        ("connect_fee", RateRow { connect_fee: negative, ..row(7, "49") }),
        ("min_charge", RateRow { min_charge: Some(negative), ..row(7, "49") }),
        ("max_charge", RateRow { max_charge: Some(dear), ..row(7, "49") }),
        ("max_charge", RateRow { min_charge: cent(2), max_charge: cent(1), ..row(7, "49") }),
        ("initial_block", RateRow { initial_block: 86_401, ..row(7, "49") }),
        ("increment", RateRow { increment: 0, ..row(7, "49") }),
        ("increment", RateRow { increment: 86_401, ..row(7, "49") }),
        ("free_below", RateRow { free_below: 86_401, ..row(7, "49") }),
        ("additional_time", RateRow { additional_time: 86_401, ..row(7, "49") }),
        ("step_start", RateRow { step_start: 30 * 86_400 + 1, ..row(7, "49") }),
        ("step_start", RateRow { step_start: 60, ..row(7, "49") }),
        ("to_time", RateRow { from_minute: 60, to_minute: 60, ..row(7, "49") }),
        ("to_time", RateRow { from_minute: 0, to_minute: 0, ..row(7, "49") }),
        ("to_time", RateRow { to_minute: 1441, ..row(7, "49") }),
        ("from_time", RateRow { from_minute: 1440, to_minute: 60, ..row(7, "49") }),
        (
            "valid_until",
            RateRow { valid_from: date("2026-02-01"), valid_until: date("2026-02-01"), ..row(7, "49") },
        ),
        ("days", RateRow { days: "1-6".parse().unwrap(), ..row(7, "49") }),
        ("days", RateRow { to_minute: 1439, ..row(7, "49") }),
    ] {
        let (line, named, reason) = only(vec![RateRow { line: 6, ..self::row(6, "1") }, row]);
        assert_eq!((line, named), (7, column), "{reason}");
    }
}

#[test]
fn two_rows_for_one_step_are_an_error_in_the_second() {
    let (line, column, reason) = only(vec![row(2, "49"), row(3, "1"), row(9, "49")]);
    assert_eq!((line, column), (9, "prefix"));
    assert!(reason.contains("prefix 49") && reason.contains("line 2"), "{reason}");
    // 18:00 to 00:00 and 18:00 to 24:00 are one window.
    let evening = |line, to_minute| RateRow { from_minute: 1080, to_minute, ..row(line, "49") };
    assert_eq!(only(vec![row(2, "49"), evening(3, 0), evening(4, 1440)]).0, 4);
}

#[test]
fn rates_of_different_validity_stand_beside_each_other() {
    let until = RateRow { valid_until: Some("2026-02-01".parse().unwrap()), ..row(3, "49") };
    let tariff = Tariff::compile([row(2, "49"), until]).unwrap();
    assert_eq!((tariff.prefixes(), tariff.row_count()), (1, 2));
}

#[test]
fn each_validity_needs_its_own_full_week() {
    let week = row(2, "49");
    let days = RateRow {
        days: "1-5".parse().unwrap(),
        valid_until: Some("2026-02-01".parse().unwrap()),
        ..row(3, "49")
    };
    let (line, column, reason) = only(vec![week, days]);
    assert_eq!((line, column), (3, "days"));
    assert!(reason.contains("day 6 00:00"), "{reason}");
}

#[test]
fn windows_of_one_width_that_overlap_are_an_error_in_the_later_line() {
    let hour = |line, from| RateRow { from_minute: from, to_minute: from + 60, ..row(line, "49") };
    let (line, column, reason) = only(vec![row(2, "49"), hour(4, 600), hour(3, 630)]);
    assert_eq!((line, column), (4, "days"));
    assert!(reason.contains("line 3"), "{reason}");
    assert!(Tariff::compile([row(2, "49"), hour(3, 600), hour(4, 660)]).is_ok());
}

#[test]
fn the_first_hundred_errors_are_named_and_all_are_counted() {
    let rows = (0..1000).rev().map(|line| RateRow { increment: 0, ..row(line, "49") });
    let errors = refused(rows.collect());
    assert_eq!(errors.total, 1000);
    assert_eq!(errors.first.iter().map(|error| error.line).collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
}

#[test]
fn a_bad_row_does_not_make_its_rate_look_incomplete() {
    let first = RateRow { increment: 0, ..row(2, "49") };
    let second = RateRow { step_start: 60, ..row(3, "49") };
    assert_eq!(only(vec![first, second]).1, "increment");
}

#[test]
fn an_empty_deck_compiles_and_has_no_rate() {
    let tariff = Tariff::compile([]).unwrap();
    assert_eq!(tariff.prefixes(), 0);
    assert!(tariff.find("49".parse().unwrap(), Timestamp::UNIX_EPOCH, &TimeZone::UTC).is_none());
}

#[test]
fn a_plain_prefix_takes_little_memory() {
    let prefixes = || (0..100_000_u64).map(|n| Prefix::new(4_900_000 + n, 7).unwrap());
    let destinations = ["Germany", "Germany Mobile", "Germany Premium"];
    let rows = prefixes().zip(0_usize..).map(|(prefix, n)| RateRow {
        destination: destinations[n % 3].into(),
        increment: [1, 6, 60][n % 3],
        ..RateRow::new(0, prefix, Money::from_nanos(i64::try_from(n).unwrap()))
    });
    let tariff = Tariff::compile(rows).unwrap();
    assert!(tariff.heap_bytes() <= 16 * 100_000 + 1000, "{}", tariff.heap_bytes());
    assert!(tariff.index().heap_bytes() <= 16 * 100_000 + 1000, "{}", tariff.index().heap_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn rows_come_back_as_they_were_read(deck in random::decks()) {
        let tariff = Tariff::compile(deck.clone()).unwrap();
        let key = |row: &RateRow| {
            (row.prefix, row.valid_from, row.valid_until, row.days, row.from_minute, row.to_minute, row.step_start)
        };
        let mut expected: Vec<RateRow> = deck.into_iter().map(|row| {
            // Midnight at a day's end is written 24:00.
            let to_minute = if row.to_minute == 0 { 1440 } else { row.to_minute };
            RateRow { line: 0, to_minute, ..row }
        }).collect();
        expected.sort_by_key(key);
        let rows: Vec<RateRow> = tariff.rows().collect();
        prop_assert_eq!(&rows, &expected);
        prop_assert_eq!(tariff.row_count(), rows.len());
        // What was exported compiles to the same rows again.
        let again = Tariff::compile(rows.iter().cloned()).unwrap();
        prop_assert!(again.rows().eq(rows.iter().cloned()));
        for row in &rows {
            prop_assert!(tariff.rows_of(row.prefix).contains(row));
        }
    }
}
