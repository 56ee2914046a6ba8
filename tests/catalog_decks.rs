//! Decks: what is read, what is refused and how it is said, and that writing and reading agree.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use proptest::prelude::*;
use tollgate::catalog::deck::{ColumnMap, Deck, DeckError, diff, write};
use tollgate_rating::{
    Money, Prefix, RateRow, Tariff,
    tariff::{DAY_MINUTES, Days, DeckErrors, RowError, ValidityBound},
};

fn read(text: &[u8]) -> Result<Tariff, DeckError> {
    Deck::read(text, &ColumnMap::default())?.compile()
}

fn rows(text: &str) -> Vec<RateRow> {
    read(text.as_bytes()).unwrap().rows().collect()
}

fn errors(text: &[u8]) -> DeckErrors {
    match read(text) {
        Err(DeckError::Rows { errors, .. }) => errors,
        other => panic!("no bad rows: {other:?}"),
    }
}

/// The errors as `line column`.
fn places(text: &str) -> Vec<String> {
    errors(text.as_bytes())
        .first
        .iter()
        .map(|RowError { line, column, .. }| format!("{line} {column}"))
        .collect()
}

#[test]
fn only_a_prefix_and_a_price_are_needed_and_the_rest_has_defaults() {
    let found = rows("price_per_minute,prefix\n0.0125,49\n");
    assert_eq!(found, [RateRow::new(0, "49".parse().unwrap(), Money::from_nanos(12_500_000))]);
}

#[test]
fn a_byte_order_mark_line_ends_of_windows_and_blank_lines_are_no_matter() {
    let found = rows("\u{feff}prefix,price_per_minute\r\n49,0.01\r\n\r\n,\r\n44,0.02\r\n");
    assert_eq!(found.len(), 2);
}

#[test]
fn semicolons_and_tabs_are_recognised_by_the_header() {
    for text in ["prefix;price;Destination\n49;0.01;\"Germany; all\"\n", "prefix\tprice\tname\n49\t0.01\tx\n"]
    {
        assert_eq!(rows(text).len(), 1);
    }
    assert_eq!(&*rows("prefix;price;Destination\n49;0.01;\"Germany; all\"\n")[0].destination, "Germany; all");
}

#[test]
fn every_bad_row_is_named_by_line_and_column() {
    let deck = "prefix,price_per_minute,increment,days,from_time,valid_from,blocked,destination\n\
                49,0.01,1,,,,,ok\n\
                4a,0.01,1,,,,,\n\
                44,\"0,01\",1,,,,,\n\
                33,,1,,,,,\n\
                34,0.01,1.5,8,25:00,01.02.2026,perhaps,\n\
                39,0.01\n\
                31,-0.01,0,,,,,\n";
    assert_eq!(
        places(deck),
        [
            "3 prefix",
            "4 price_per_minute",
            "5 price_per_minute",
            "6 increment",
            "6 days",
            "6 from_time",
            "6 valid_from",
            "6 blocked",
            "7 row",
            "8 price_per_minute",
        ]
    );
}

#[test]
fn rows_that_contradict_each_other_are_named_beside_the_unreadable_ones() {
    let deck = "prefix,price_per_minute\n49,0.01\n49,0.02\n44,x\n";
    assert_eq!(places(deck).iter().map(|place| &place[..1]).collect::<Vec<_>>(), ["3", "4"]);
    // The bad row may be the missing half of this prefix's week: it is not accused of lacking it.
    let deck = "prefix,price_per_minute,days\n49,0.01,1-5\n49,x,6-7\n";
    assert_eq!(places(deck), ["3 price_per_minute"]);
}

#[test]
fn the_first_hundred_are_told_and_all_are_counted() {
    let deck = format!("prefix,price_per_minute\n{}", "x,1\n".repeat(1_234));
    let errors = errors(deck.as_bytes());
    assert_eq!((errors.first.len(), errors.total), (100, 1_234));
    assert_eq!(errors.first[99].line, 101);
}

#[test]
fn text_that_is_not_utf8_is_an_error_of_its_row() {
    let errors = errors(b"prefix,price_per_minute,destination\n49,0.01,C\xf4te\n44,0.01,ok\n");
    assert_eq!((errors.total, errors.first[0].line, errors.first[0].column), (1, 2, "destination"));
}

#[test]
fn a_quotation_mark_left_open_does_not_swallow_the_rest_silently() {
    let deck = format!("prefix,price_per_minute,destination\n49,0.01,\"open\n{}", "44,0.02,x\n".repeat(50));
    assert!(errors(deck.as_bytes()).total >= 1);
}

#[test]
fn a_deck_without_rows_is_refused() {
    assert!(matches!(read(b"prefix,price_per_minute\n"), Err(DeckError::NoRows)));
    assert!(matches!(read(b""), Err(DeckError::Header(_))));
    assert!(matches!(read(b"\xff\xfe,x\n"), Err(DeckError::Header(_))));
}

#[test]
fn carriers_blocks_in_one_column_are_both_blocks() {
    let found = rows("Code,Rate,Billing Increment\n49,0.01,60/1\n44,0.01,6\n");
    assert_eq!((found[0].initial_block, found[0].increment), (6, 6), "44 comes first");
    assert_eq!((found[1].initial_block, found[1].increment), (60, 1));
}

#[test]
fn magnusbillings_export_reads_as_magnusbilling_bills() {
    let found = rows(
        "dialprefix,destination,rateinitial,initblock,billingblock,connectcharge,disconnectcharge,additional_grace,\
         minimal_time_charge\n49,Germany,0.050000,30,6,0.01000,0.00000,2,3\n44,UK,0.012,0,0,0,0,,0\n",
    );
    let germany = &found[1];
    assert_eq!((germany.initial_block, germany.increment), (30, 6));
    assert_eq!(germany.connect_fee, Money::from_nanos(10_000_000));
    assert_eq!((germany.additional_time, germany.free_below), (2, 3));
    assert_eq!((found[0].initial_block, found[0].increment), (1, 1), "0 means by the second there");
}

#[test]
fn a_price_term_that_cannot_be_kept_is_refused_rather_than_dropped() {
    let deck = "dialprefix,rateinitial,disconnectcharge\n49,0.05,0.01\n";
    assert!(errors(deck.as_bytes()).first[0].reason.contains("disconnectcharge"));
    let map: ColumnMap = "ignore=disconnectcharge".parse().unwrap();
    assert_eq!(Deck::read(deck.as_bytes(), &map).unwrap().rows.len(), 1);
}

#[test]
fn a_split_prefix_is_joined() {
    let found = rows("Country Code,Area Code,Price\n44,20,0.01\n44,,0.02\n");
    assert_eq!(found.iter().map(|row| row.prefix.to_string()).collect::<Vec<_>>(), ["44", "4420"]);
}

#[test]
fn windows_and_steps_survive_export_and_import() {
    let deck = "prefix,price_per_minute,destination,step_start,days,from_time,to_time,valid_from,increment\n\
                49,0.03,\"Germany, peak\",,1-5,08:00,18:00,,1\n\
                49,0.02,\"Germany, peak\",60,1-5,08:00,18:00,,6\n\
                49,0.01,Germany,,,,,,1\n\
                44,0.05,UK,,,,,2026-01-01,60\n\
                44,0.06,UK,,,22:00,06:00,,60\n\
                44,0.07,UK,,,06:00,22:00,,60\n";
    let first = rows(deck);
    assert_eq!(first.len(), 6);
    let text = write::to_csv(first.clone());
    assert_eq!(rows(&text), first);
}

/// A row with every column away from its default now and then.
fn any_row(prefix: String) -> impl Strategy<Value = RateRow> {
    let prices = (0..=10_000_000_000_i64, prop_oneof![Just(0), 0..=1_000_000_000_i64]);
    let blocks =
        (0..=120_u32, 1..=120_u32, prop_oneof![Just(0), 0..=30_u32], prop_oneof![Just(0), 0..=30_u32]);
    let charges = (proptest::option::of(0..=1_000_i64), proptest::option::of(1_000..=9_000_000_000_i64));
    let validity = (proptest::option::of(0..=20_000_i64), any::<bool>());
    let name = "[a-zA-Zé,\";'\\t ]{0,20}".prop_map(|name| name.trim().replace('\t', " "));
    (prices, blocks, charges, validity, name, any::<bool>()).prop_map(
        move |((price, fee), (first, next, free, extra), (least, most), (from, as_date), name, blocked)| {
            let bound = from.map(|days| {
                let instant = jiff::Timestamp::from_second(days * 86_400 + 3_600).unwrap();
                if as_date {
                    ValidityBound::Date(instant.to_zoned(jiff::tz::TimeZone::UTC).date())
                } else {
                    ValidityBound::Instant(instant)
                }
            });
            RateRow {
                destination: name.into(),
                connect_fee: Money::from_nanos(fee),
                initial_block: first,
                increment: next,
                free_below: free,
                additional_time: extra,
                min_charge: least.map(Money::from_nanos),
                max_charge: most.map(Money::from_nanos),
                valid_from: bound,
                blocked,
                ..RateRow::new(0, prefix.parse::<Prefix>().unwrap(), Money::from_nanos(price))
            }
        },
    )
}

/// One rate: a row, or the same over two windows that fill the week, perhaps with a second step.
fn any_rate(prefix: String) -> impl Strategy<Value = Vec<RateRow>> {
    let shape = (0..3_u8, 1..=126_u8, 1..=600_u32);
    (any_row(prefix), shape).prop_map(|(row, (shape, bits, start))| match shape {
        0 => vec![row],
        1 => {
            let days = Days::from_bits(bits).unwrap();
            let day = RateRow { days, from_minute: 480, to_minute: 1_080, ..row.clone() };
            vec![day, row]
        }
        _ => {
            let night = RateRow { from_minute: 1_080, to_minute: 480, ..row.clone() };
            let day = RateRow { from_minute: 480, to_minute: 1_080, ..row };
            let later = RateRow { step_start: start, price_per_minute: Money::ZERO, ..day.clone() };
            vec![night, day, later]
        }
    })
}

fn any_deck() -> impl Strategy<Value = Vec<RateRow>> {
    proptest::collection::btree_set("[1-9][0-9]{0,6}", 1..30).prop_flat_map(|prefixes| {
        let rates: Vec<_> = prefixes.into_iter().map(any_rate).collect();
        rates.prop_map(|rates| rates.into_iter().flatten().collect())
    })
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(text in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = read(&text);
    }

    #[test]
    fn any_text_under_a_good_header_is_read_or_refused(
        cells in proptest::collection::vec("[0-9a-z:,.+\"\\n;é -]{0,12}", 0..200)
    ) {
        let text = format!("{}{}", write::header(), cells.join(","));
        let _ = read(text.as_bytes());
    }

    #[test]
    fn what_export_writes_import_reads_to_an_equal_deck(deck in any_deck()) {
        let compiled = Tariff::compile(deck.clone()).unwrap();
        let text = write::to_csv(compiled.rows());
        let again = read(text.as_bytes()).unwrap();
        prop_assert!(diff(compiled.rows(), again.rows()).is_empty());
        prop_assert!(diff(deck, again.rows()).is_empty());
        prop_assert_eq!(write::to_csv(again.rows()), text);
    }
}

#[test]
fn chunks_hold_the_deck_between_them() {
    for (count, chunks) in [(1, 1), (4_000, 1), (4_001, 2), (9_000, 3)] {
        let row = |at| RateRow::new(0, Prefix::new(100_000 + at, 6).unwrap(), Money::ZERO);
        let written = write::to_chunks((0..count).map(row));
        assert_eq!(written.len(), chunks);
        let rows =
            |chunk: &String| Deck::read(chunk.as_bytes(), &ColumnMap::default()).unwrap().rows.len() as u64;
        assert_eq!(written.iter().map(rows).sum::<u64>(), count);
    }
}

#[test]
fn a_whole_day_is_written_as_no_window() {
    let row = RateRow {
        from_minute: 0,
        to_minute: DAY_MINUTES,
        ..RateRow::new(0, "1".parse().unwrap(), Money::ZERO)
    };
    assert_eq!(write::to_csv([row]).lines().nth(1), Some("1,0,,,1,1,,,,,,,,,,,"));
}
