//! Commands on tariffs for messages, on the plans that sell them, and what a message costs.

use serde_json::{Value, json};

use crate::app::database::on_both;
use crate::app::decks::{GERMAN_MOBILE, MESSAGES, NOWHERE, SATELLITE, SOLD};
use crate::app::program::Program;

on_both!(messages_are_priced_sold_and_explained_by_commands, database => {
    let program = Program::on(database);
    let calls = program.file("sold.csv", SOLD);
    let deck = program.file("messages.csv", MESSAGES);
    program.ok(&["tariff", "import", "sold", &calls]);
    let dry = program.ok(&["tariff", "import", "messages", &deck, "--sms", "--dry-run"]);
    assert_eq!((&dry["version"], &dry["kind"]), (&Value::Null, &json!("sms")));
    let made = program.ok(&["tariff", "import", "messages", &deck, "--sms"]);
    assert_eq!((&made["version"], &made["rows"], &made["kind"]), (&json!(1), &json!(5), &json!("sms")));
    assert_eq!(program.refused(&["tariff", "import", "messages", &calls]), "wrong_kind");
    assert_eq!(program.refused(&["tariff", "import", "sold", &deck, "--sms"]), "wrong_kind");
    assert_eq!(program.refused(&["tariff", "import", "other", &calls, "--sms"]), "bad_deck");

    let listed = program.ok(&["tariff", "list"]);
    let kinds: Vec<&Value> = listed["tariffs"].as_array().unwrap().iter().map(|it| &it["kind"]).collect();
    assert_eq!(kinds, [&json!("sms"), &json!("voice")]);
    let shown = program.ok(&["tariff", "show", "messages", GERMAN_MOBILE]);
    assert_eq!((&shown["kind"], &shown["prefix"]), (&json!("sms"), &json!("4915")));
    assert_eq!(shown["rates"][0]["price"], "0.0333");
    assert!(shown["rates"][0].get("price_per_minute").is_none());
    let said = program.run_for_a_person(&["tariff", "show", "messages", "49"]).out;
    assert!(said.contains("49 Germany: 0.05 a segment"), "{said}");
    let exported = program.run_for_a_person(&["tariff", "export", "messages"]);
    let again = program.file("again.csv", &exported.out);
    assert_eq!(program.ok(&["tariff", "diff", "messages", &again])["unchanged"], 5);

    assert_eq!(program.refused(&["plan", "create", "odd", "--tariff", "messages"]), "wrong_kind");
    assert_eq!(
        program.refused(&["trunk", "create", "odd", "--endpoint", "odd", "--tariff", "messages"]),
        "wrong_kind"
    );
    program.ok_line("plan create wholesale --tariff sold --sms-tariff messages");
    program.ok_line("plan create retail --base wholesale --markup 20");
    program.ok_line("reseller create acme --plan wholesale");
    program.ok_line("client create alice --reseller acme --plan retail");
    let plans = program.ok(&["plan", "list"]);
    let named: Vec<&Value> = plans["plans"].as_array().unwrap().iter().map(|it| &it["sms_tariff"]).collect();
    assert_eq!(named, [&Value::Null, &json!("messages")]);

    let text = "x".repeat(161);
    let price = program.ok(&["sms", "price", "alice", &format!("+{GERMAN_MOBILE}"), &text]);
    assert_eq!((&price["segments"], &price["encoding"]), (&json!(2), &json!("gsm7")));
    let payer = |place: usize, key: &str| price["payers"][place][key].as_str().unwrap().to_owned();
    assert_eq!((payer(0, "price_per_segment"), payer(0, "charge")), ("0.03996".to_owned(), "0.07992".to_owned()));
    assert_eq!((payer(1, "login"), payer(1, "charge")), ("acme".to_owned(), "0.0666".to_owned()));
    let refused = |number: &str, text: &str| program.refused(&["sms", "price", "alice", number, text]);
    assert_eq!(refused(NOWHERE, "x"), "no_rate");
    assert_eq!(refused(SATELLITE, "x"), "blocked");
    assert_eq!(refused("0301234", "x"), "bad_number");
    assert_eq!(refused(GERMAN_MOBILE, ""), "bad_text");
    assert_eq!(program.refused(&["sms", "price", "nobody", GERMAN_MOBILE]), "unknown_account");

    assert_eq!(program.refused(&["plan", "set", "retail", "--sms-tariff", "sold"]), "wrong_kind");
    assert_eq!(program.refused(&["plan", "set", "retail", "--sms-tariff", "nothing"]), "not_found");
    assert_eq!(program.run(&["plan", "set", "retail"]).status, 2);
    program.ok(&["plan", "set", "retail", "--sms-tariff", "messages"]);
    let own = program.ok(&["sms", "price", "alice", GERMAN_MOBILE]);
    assert_eq!(own["payers"][0]["charge"], "0.0333", "who names the tariff sells at its prices");
    program.ok(&["plan", "set", "wholesale", "--no-sms-tariff"]);
    assert_eq!(program.refused(&["sms", "price", "alice", GERMAN_MOBILE]), "no_prices");
});

#[test]
fn a_running_server_prices_the_next_message_by_a_changed_deck() {
    let program = Program::sqlite();
    program.furnish();
    let deck = program.file("messages.csv", MESSAGES);
    program.ok(&["tariff", "import", "messages", &deck, "--sms"]);
    let serving = program.serve();
    program.ok(&["plan", "set", "wholesale", "--sms-tariff", "messages"]);
    let charge = || program.ok(&["sms", "price", "alice", GERMAN_MOBILE])["payers"][0]["charge"].clone();
    assert_eq!(charge(), "0.03996");
    let dearer = program.file("dearer.csv", "prefix,price\n49,1\n");
    program.ok(&["tariff", "import", "messages", &dearer, "--sms"]);
    assert_eq!(charge(), "1.2");
    assert!(serving.stop().success());
}
