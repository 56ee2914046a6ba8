//! The sample decks that ship with Tollgate, read and rated as any other deck.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use std::{collections::HashSet, fs::File, path::Path, sync::Arc};

use jiff::Timestamp;
use tollgate::catalog::TariffKind;
use tollgate::catalog::deck::{ColumnMap, Deck};
use tollgate_rating::{CallRate, E164, Money, NoRate, PlanTerms, PricedTariff, RateRow};

const WHOLESALE: &str = "world-wholesale.csv";
const CARRIER_A: &str = "world-carrier-a.csv";
const CARRIER_B: &str = "world-carrier-b.csv";

fn rows(name: &str) -> Vec<RateRow> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("decks").join(name);
    Deck::read(File::open(path).unwrap(), &ColumnMap::default()).unwrap().rows
}

fn deck(name: &str) -> PricedTariff {
    let tariff = tollgate_rating::Tariff::compile(rows(name)).unwrap();
    PricedTariff::new(Arc::new(tariff), Vec::new(), Arc::new(PlanTerms::default()))
}

/// The deck of messages.
fn sms() -> PricedTariff {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("decks/world-sms.csv");
    let deck = Deck::read_as(TariffKind::Sms, File::open(path).unwrap(), &ColumnMap::default()).unwrap();
    PricedTariff::new(Arc::new(deck.compile().unwrap()), Vec::new(), Arc::new(PlanTerms::default()))
}

fn rate(deck: &PricedTariff, number: &str) -> Result<CallRate, NoRate> {
    deck.rate(number.parse::<E164>().unwrap(), Timestamp::UNIX_EPOCH)
}

/// The price of one minute of talk.
fn minute(deck: &PricedTariff, number: &str) -> Money {
    rate(deck, number).unwrap().charge(60_000, Timestamp::UNIX_EPOCH).unwrap().amount
}

fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

#[test]
fn the_decks_have_as_many_prefixes_as_their_readme_says() {
    let readme =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("decks/README.md")).unwrap();
    for (name, deck, least) in [
        (WHOLESALE, deck(WHOLESALE), 60_000),
        (CARRIER_A, deck(CARRIER_A), 15_000),
        (CARRIER_B, deck(CARRIER_B), 15_000),
        ("world-sms.csv", sms(), 1_000),
    ] {
        let prefixes = deck.tariff().prefixes();
        assert!(prefixes >= least, "{name} has {prefixes} prefixes");
        let line = readme.lines().find(|line| line.starts_with(&format!("| `{name}`"))).unwrap();
        let said = line.rsplit('|').nth(1).unwrap().trim().replace(',', "");
        assert_eq!(said, prefixes.to_string(), "{name}");
    }
}

#[test]
fn a_number_finds_its_own_country_area_or_network() {
    let wholesale = deck(WHOLESALE);
    for (number, prefix, destination) in [
        ("493012345678", "4930", "Germany - Berlin"),
        ("4915112345678", "49151", "Germany - Mobile - T-Mobile"),
        ("447400123456", "447400", "United Kingdom - Mobile - Three"),
        // Guernsey lives inside the United Kingdom's code, Kazakhstan inside Russia's, the Vatican inside Rome's.
        ("447911123456", "4479111", "Guernsey - Mobile - JT"),
        ("77001234567", "7700", "Kazakhstan - Mobile - T2"),
        ("390669812345", "3906698", "Vatican - Vatican City"),
        ("33612345678", "3361", "France - Mobile - SFR"),
        ("12125551234", "1212", "United States - New York, NY"),
        ("12045551234", "1204", "Canada - Manitoba"),
        ("819012345678", "819012", "Japan - Mobile - KDDI"),
        ("881612345678", "8816", "Global satellite - iridium satellite"),
    ] {
        let found = rate(&wholesale, number).unwrap();
        assert_eq!(
            (found.prefix().to_string().as_str(), found.destination()),
            (prefix, destination),
            "{number}"
        );
        assert!(!found.is_blocked(), "{number}");
    }
}

#[test]
fn a_message_costs_what_its_country_costs() {
    let sms = sms();
    for (number, destination) in [
        ("4915112345678", "Germany"),
        ("447400123456", "United Kingdom"),
        ("447911123456", "Guernsey"),
        ("77001234567", "Kazakhstan"),
        ("12045551234", "Canada"),
    ] {
        let rate = sms.segment_rate(number.parse().unwrap(), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(&**rate.destination(), destination, "{number}");
        assert!(rate.price() > Money::ZERO && rate.charge(2).unwrap() > rate.price(), "{number}");
    }
    assert!(sms.cheapest_segment(Timestamp::UNIX_EPOCH).price.unwrap() >= money("0.006"));
}

#[test]
fn premium_numbers_are_blocked() {
    let wholesale = deck(WHOLESALE);
    for number in ["19005551234", "4990012345678", "449012345678", "33899123456", "979123456789"] {
        assert!(rate(&wholesale, number).unwrap().is_blocked(), "{number}");
    }
}

#[test]
fn nothing_under_a_blocked_prefix_is_sold() {
    let rows = rows(WHOLESALE);
    let blocked: HashSet<String> =
        rows.iter().filter(|row| row.blocked).map(|row| row.prefix.to_string()).collect();
    assert!(!blocked.is_empty());
    for row in rows.iter().filter(|row| !row.blocked) {
        let digits = row.prefix.to_string();
        let above = (1..digits.len()).find(|&length| blocked.contains(&digits[..length]));
        assert_eq!(above, None, "{digits} {}", row.destination);
    }
}

#[test]
fn only_toll_free_numbers_cost_nothing() {
    for row in rows(WHOLESALE) {
        let free = row.price_per_minute == Money::ZERO;
        assert!(!free || row.destination.ends_with("Toll free"), "{} {}", row.prefix, row.destination);
    }
}

#[test]
fn least_cost_routing_and_the_loss_guard_have_something_to_do() {
    let (sold, a, b) = (deck(WHOLESALE), deck(CARRIER_A), deck(CARRIER_B));
    // Both carriers earn money, one more than the other.
    let berlin = "493012345678";
    assert_eq!(minute(&sold, berlin), money("0.0053"));
    assert_eq!(minute(&a, berlin), money("0.003816"));
    assert_eq!(minute(&b, berlin), money("0.003498"));
    let sfr = "33612345678";
    assert!(minute(&a, sfr) < minute(&b, sfr) && minute(&b, sfr) < minute(&sold, sfr));
    // One carrier is dearer than the sale.
    let brussels = "3221234567";
    assert!(minute(&a, brussels) > minute(&sold, brussels) && minute(&b, brussels) < minute(&sold, brussels));
    // Both are.
    let vatican = "390669812345";
    assert!(minute(&a, vatican) > minute(&sold, vatican) && minute(&b, vatican) > minute(&sold, vatican));
    // One does not go there.
    assert!(rate(&a, "881612345678").is_ok());
    assert_eq!(rate(&b, "881612345678").unwrap_err(), NoRate::NoMatch);
}
