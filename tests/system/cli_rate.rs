//! `tollgate rate`: what a number costs, with a deck alone and for a login.

use serde_json::json;

use crate::app::decks::{BERLIN, LONDON, MOBILE, NOWHERE, SATELLITE, SOLD};
use crate::app::program::{Program, Said, bare, finish};

/// `rate --deck` in a directory of its own, where no database may appear.
fn with_deck(deck: &str, arguments: &[&str]) -> Said {
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("deck.csv"), deck).unwrap();
    let mut command = bare();
    command.args(["rate", "--deck", "deck.csv", "--json"]).args(arguments).current_dir(files.path());
    let said = finish(&mut command);
    let left: Vec<_> =
        std::fs::read_dir(files.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["deck.csv"], "a deck is rated without a database, and without making one");
    said
}

#[test]
fn a_deck_is_rated_without_a_database() {
    for (arguments, prefix, billed, cost) in [
        (&[BERLIN, "--seconds", "3"][..], "4930", 3, "0.002587"),
        (&[BERLIN, "--ms", "2001"], "4930", 3, "0.002587"),
        (&[BERLIN, "--seconds", "3", "--markup", "20"], "4930", 3, "0.003104"),
        (&[BERLIN, "--seconds", "3", "--decimals", "4", "--rounding", "up"], "4930", 3, "0.0026"),
        (&[BERLIN, "--seconds", "3", "--decimals", "9"], "4930", 3, "0.0025865"),
        (&[BERLIN, "--seconds", "3", "--decimals", "5", "--rounding", "down"], "4930", 3, "0.00258"),
        (&[BERLIN, "--seconds", "0"], "4930", 0, "0"),
        (&[BERLIN], "4930", 60, "0.05173"),
        (&[LONDON, "--seconds", "61"], "4420", 120, "0.17"),
        (&["+442071234567", "--seconds", "1"], "4420", 60, "0.09"),
        (&["00442071234567", "--seconds", "1"], "4420", 60, "0.09"),
        (
            &[BERLIN, "--seconds", "3", "--at", "2026-11-21T12:00:00Z", "--zone", "Europe/Berlin"],
            "4930",
            3,
            "0.002587",
        ),
    ] {
        let said = with_deck(SOLD, arguments);
        assert_eq!(said.status, 0, "{arguments:?}: {said:?}");
        let json = said.json();
        assert_eq!(json["prefix"], prefix, "{arguments:?}");
        assert_eq!(json["billed_seconds"], billed, "{arguments:?}");
        assert_eq!(json["cost"], cost, "{arguments:?}");
    }
}

#[test]
fn block_rounding_rounds_the_rest_or_the_whole() {
    let deck = "prefix,price_per_minute,initial_block,increment\n49,0.6,10,7\n";
    for (block_rounding, billed, cost) in [("after_initial", 17, "0.17"), ("whole", 14, "0.14")] {
        let json =
            with_deck(deck, &["4930123", "--seconds", "11", "--block-rounding", block_rounding]).json();
        assert_eq!(
            (&json["billed_seconds"], &json["cost"]),
            (&json!(billed), &json!(cost)),
            "{block_rounding}"
        );
    }
}

#[test]
fn with_a_credit_the_longest_affordable_call_is_said() {
    for (credit, longest) in
        [("0.00517", 5), ("0", 0), ("0.0008", 0), ("0.000862", 1), ("1000000", 14_400), ("-1", 0)]
    {
        let said = with_deck(SOLD, &[BERLIN, "--credit", credit]);
        assert_eq!(said.status, 0, "{said:?}");
        assert_eq!(said.json()["max_seconds"], longest, "{credit}");
    }
    assert!(with_deck(SOLD, &[BERLIN]).json().get("max_seconds").is_none());
}

#[test]
fn what_cannot_be_rated_is_refused_with_its_reason() {
    for (deck, arguments, code) in [
        (SOLD, &[NOWHERE][..], "no_rate"),
        (SOLD, &[SATELLITE], "blocked"),
        (SOLD, &["030123"], "bad_number"),
        (SOLD, &["49-30"], "bad_number"),
        (SOLD, &[BERLIN, "--zone", "Europe/Nowhere"], "invalid"),
        ("prefix,price_per_minute\n49,-1\n", &[BERLIN], "bad_deck"),
        ("prefix\n49\n", &[BERLIN], "bad_deck"),
    ] {
        let said = with_deck(deck, arguments);
        assert_eq!((said.status, said.code().as_str()), (1, code), "{arguments:?}: {said:?}");
        assert!(!said.json()["error"].as_str().unwrap().is_empty());
    }
    let said = finish(bare().args(["rate", "--deck", "/nowhere/deck.csv", BERLIN, "--json"]));
    assert_eq!(said.status, 1);
    assert!(said.json()["error"].as_str().unwrap().contains("/nowhere/deck.csv"), "{said:?}");
}

#[test]
fn a_login_is_rated_for_every_payer_with_its_routes() {
    let program = Program::sqlite();
    program.furnish();
    let json = program.ok(&["rate", "alice", BERLIN, "--seconds", "3"]);
    assert_eq!((json["prefix"].as_str(), json["billed_seconds"].as_i64()), (Some("4930"), Some(3)));
    assert_eq!(json["cost"], "0.003104");
    let payers = json["payers"].as_array().unwrap();
    assert_eq!(payers.len(), 2);
    assert_eq!((&payers[0]["login"], &payers[0]["cost"]), (&json!("alice"), &json!("0.003104")));
    assert_eq!((&payers[1]["login"], &payers[1]["cost"]), (&json!("acme"), &json!("0.002587")));
    let routes = json["routes"].as_array().unwrap();
    assert_eq!((&routes[0]["trunk"], &routes[0]["cost"]), (&json!("first"), &json!("0.000559")));
    assert_eq!(routes[1]["trunk"], "second");
    assert_eq!(json["refused"], serde_json::Value::Null);

    let json = program.ok(&["rate", "alice", MOBILE]);
    assert_eq!(json["refused"], "no_route");
    assert_eq!(json["left_out"].as_array().unwrap().len(), 2, "{json}");
    assert_eq!(program.refused(&["rate", "alice", NOWHERE]), "no_rate");
    assert_eq!(program.refused(&["rate", "nobody", BERLIN]), "unknown_account");
    program.ok(&["account", "set", "alice", "--active", "no"]);
    assert_eq!(program.ok(&["rate", "alice", BERLIN])["refused"], "inactive");
    program.ok(&["account", "set", "alice", "--active", "yes"]);
    program.ok(&["credit", "acme", "-100", "--reference", "all of it"]);
    let json = program.ok(&["rate", "alice", BERLIN]);
    assert_eq!(json["refused"], "no_wholesale_credit", "{json}");
    let json = program.ok(&["rate", "alice", BERLIN, "--credit", "0.001035"]);
    assert_eq!(json["max_seconds"], 1);
}

#[test]
fn what_rate_says_is_what_a_call_costs() {
    let program = Program::sqlite();
    program.furnish();
    let serving = program.serve();
    let before = program.ok(&["rate", "alice", LONDON, "--seconds", "1"])["cost"].clone();
    let server = serving.fastagi.to_string();
    let call = program.ok(&["call", "alice", LONDON, "--talk", "1", "--server", &server]);
    assert_eq!(call["settled"], true, "{call}");
    assert_eq!(before, "0.108");
    assert_eq!(program.shown("alice", "balance"), "99.892");
    assert!(serving.stop().success());
}
