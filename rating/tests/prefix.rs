//! The prefix index against the slow, obvious way: try every beginning of the number, the longest first.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use proptest::{collection::vec, prelude::*, sample::select};
use std::collections::BTreeMap;
use tollgate_rating::prefix::{IndexError, Prefix, PrefixError, PrefixIndex};

fn prefix(digits: &str) -> Prefix {
    digits.parse().unwrap()
}

fn index(digits: &[&str]) -> PrefixIndex {
    PrefixIndex::build(digits.iter().map(|digits| prefix(digits))).unwrap()
}

fn lookup(index: &PrefixIndex, number: &str) -> Option<(u32, Prefix)> {
    index.lookup_digits(number.parse().unwrap(), u8::try_from(number.len()).unwrap())
}

fn longest(index: &PrefixIndex, number: &str) -> Option<String> {
    lookup(index, number).map(|(_, prefix)| prefix.to_string())
}

/// Positions in text order, all beginnings of the number that are prefixes, the longest first.
fn reference(deck: &[String], number: &str) -> Vec<(u32, String)> {
    let sorted: BTreeMap<&str, u32> = deck
        .iter()
        .map(String::as_str)
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .zip(0..)
        .collect();
    (1..=number.len())
        .rev()
        .filter_map(|len| sorted.get(&number[..len]).map(|position| (*position, number[..len].to_owned())))
        .collect()
}

/// Compares the match, its position and everything above it.
fn agrees(deck: &[String], numbers: &[String]) -> Result<(), TestCaseError> {
    let unique: std::collections::BTreeSet<_> = deck.iter().collect();
    let index = PrefixIndex::build(unique.iter().map(|digits| prefix(digits))).unwrap();
    prop_assert_eq!(index.len(), unique.len());
    prop_assert!(index.heap_bytes() <= 16 * index.len().max(2));
    prop_assert!(index.iter().map(|p| p.to_string()).eq(unique.iter().map(|digits| (*digits).clone())));
    for number in numbers.iter().chain(deck) {
        let matched = lookup(&index, number);
        let mut chain: Vec<_> = matched.into_iter().collect();
        chain.extend(matched.into_iter().flat_map(|(position, _)| index.ancestors(position)));
        let chain: Vec<_> =
            chain.into_iter().map(|(position, prefix)| (position, prefix.to_string())).collect();
        prop_assert_eq!(chain, reference(deck, number), "number {}", number);
        let exact = index.position(prefix(number));
        prop_assert_eq!(exact.is_some(), unique.contains(number));
        prop_assert_eq!(exact.and_then(|position| index.prefix(position)), exact.map(|_| prefix(number)));
    }
    Ok(())
}

proptest! {
    #[test]
    fn the_longest_beginning_and_all_shorter_ones_are_found_in_dense_decks(
        deck in vec("[1-3][0-2]{0,6}", 0..120),
        numbers in vec("[1-3][0-2]{0,14}", 1..60),
    ) {
        agrees(&deck, &numbers)?;
    }

    #[test]
    fn a_deck_may_lie_almost_wholly_under_a_few_countries(
        deck in vec(prop_oneof![8 => "1[2-9][0-9]{2}[2-3][0-9]{0,3}", 3 => "44[0-9]{0,6}", 1 => "[0-9]{1,15}"], 0..300),
        numbers in vec(prop_oneof![8 => "1[2-9][0-9]{2}[2-3][0-9]{6}", 3 => "44[0-9]{10}", 1 => "[0-9]{1,15}"], 1..100),
    ) {
        agrees(&deck, &numbers)?;
    }

    #[test]
    fn neighbours_that_differ_in_the_fifteenth_digit_or_in_trailing_zeros_only_are_told_apart(
        deck in vec((select(vec!["9", "99999999999999", "10000000000000", "49"]), "0{0,13}", "[0-9]?"), 0..40),
        numbers in vec((select(vec!["9", "99999999999999", "10000000000000", "49"]), "0{0,13}", "[0-9]?"), 1..40),
    ) {
        let join = |parts: Vec<(&str, String, String)>| parts
            .into_iter()
            .map(|(a, b, c)| { let mut text = format!("{a}{b}{c}"); text.truncate(15); text })
            .collect::<Vec<_>>();
        agrees(&join(deck), &join(numbers))?;
    }

    #[test]
    fn a_prefix_reads_and_prints_as_the_same_digits_and_sorts_as_text(a in "[0-9]{1,15}", b in "[0-9]{1,15}") {
        prop_assert_eq!(prefix(&a).to_string(), a.clone());
        prop_assert_eq!(prefix(&a).value(), a.parse::<u64>().unwrap());
        prop_assert_eq!(usize::from(prefix(&a).digits()), a.len());
        prop_assert_eq!(prefix(&a).cmp(&prefix(&b)), a.cmp(&b));
        prop_assert_eq!(prefix(&a).covers(prefix(&b)), b.starts_with(&a));
    }
}

#[test]
fn no_prefix_is_found_in_an_empty_index() {
    let index = index(&[]);
    assert!(index.is_empty());
    assert_eq!(longest(&index, "4915112345678"), None);
    assert_eq!(index.prefix(0), None);
    assert_eq!(index.ancestors(0).count(), 0);
    assert_eq!(index.heap_bytes(), 0);
}

#[test]
fn one_digit_and_fifteen_digits_are_prefixes() {
    let index = index(&["1", "123456789012345", "9", "999999999999999"]);
    assert_eq!(longest(&index, "123456789012345").unwrap(), "123456789012345");
    assert_eq!(longest(&index, "123456789012346").unwrap(), "1");
    assert_eq!(longest(&index, "1").unwrap(), "1");
    assert_eq!(longest(&index, "999999999999999").unwrap(), "999999999999999");
    assert_eq!(longest(&index, "99999999999999").unwrap(), "9");
    assert_eq!(longest(&index, "2"), None);
}

#[test]
fn a_number_shorter_than_a_prefix_does_not_match_it() {
    let index = index(&["490", "4900000"]);
    assert_eq!(longest(&index, "49"), None);
    assert_eq!(longest(&index, "490").unwrap(), "490");
    assert_eq!(longest(&index, "490000").unwrap(), "490");
}

#[test]
fn what_is_no_number_of_one_to_fifteen_digits_begins_with_nothing() {
    let index = index(&["1", "0"]);
    assert_eq!(index.lookup_digits(1, 0), None);
    assert_eq!(index.lookup_digits(1, 16), None);
    assert_eq!(index.lookup_digits(100, 2), None);
    assert_eq!(index.lookup_digits(u64::MAX, 15), None);
}

#[test]
fn a_prefix_given_twice_is_refused_by_name() {
    let deck = ["49", "1", "49"].map(prefix);
    assert_eq!(PrefixIndex::build(deck).unwrap_err(), IndexError::Duplicate(prefix("49")));
    assert!(PrefixIndex::build(["049", "49", "490"].map(prefix)).is_ok());
}

#[test]
fn a_text_that_is_no_prefix_is_refused_with_the_reason() {
    assert_eq!("".parse::<Prefix>(), Err(PrefixError::Empty));
    assert_eq!("4x9".parse::<Prefix>(), Err(PrefixError::NotADigit('x')));
    assert_eq!("+49".parse::<Prefix>(), Err(PrefixError::NotADigit('+')));
    assert_eq!("١٢".parse::<Prefix>(), Err(PrefixError::NotADigit('١')));
    assert_eq!("1234567890123456".parse::<Prefix>(), Err(PrefixError::TooLong));
    assert_eq!("1".repeat(300).parse::<Prefix>(), Err(PrefixError::TooLong));
    assert_eq!(Prefix::new(0, 0), None);
    assert_eq!(Prefix::new(10, 1), None);
    assert_eq!(Prefix::new(u64::MAX, 15), None);
    assert_eq!(Prefix::new(7, 3), Some(prefix("007")));
}

/// Distinct prefixes of 2 to 11 digits from a small generator with a fixed seed.
fn random_deck(count: usize, under: &str) -> Vec<String> {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let mut deck = std::collections::HashSet::with_capacity(count);
    while deck.len() < count {
        let digits = format!("{under}{}{:014}", 1 + next() % 9, next() % 100_000_000_000_000);
        deck.insert(digits[..usize::try_from(2 + next() % 10).unwrap() + under.len()].to_owned());
    }
    deck.into_iter().collect()
}

#[test]
fn an_index_takes_at_most_16_bytes_a_prefix() {
    for count in [2, 3, 1000, 250_000, 1_000_000] {
        let deck = random_deck(count, "");
        let index = PrefixIndex::build(deck.iter().map(|digits| prefix(digits))).unwrap();
        assert_eq!(index.len(), count);
        assert!(index.heap_bytes() <= 16 * count, "{} bytes for {count} prefixes", index.heap_bytes());
    }
}

#[test]
fn a_large_deck_in_one_corner_of_the_numbering_space_answers_like_the_reference() {
    let mut deck = random_deck(60_000, "7495");
    deck.extend(["1", "999999999999999", "74", "749"].map(str::to_owned));
    let index = PrefixIndex::build(deck.iter().map(|digits| prefix(digits))).unwrap();
    let positions: std::collections::HashSet<&str> = deck.iter().map(String::as_str).collect();
    for number in random_deck(20_000, "7495") {
        let expected =
            (1..=number.len()).rev().map(|len| &number[..len]).find(|begin| positions.contains(begin));
        assert_eq!(longest(&index, &number).as_deref(), expected);
    }
}
