//! Every command: its name, its arguments, the JSON it answers with, its exit status.

use serde_json::Value;

use crate::app::database::on_both;
use crate::app::decks::{BERLIN, SOLD};
use crate::app::program::{Program, bare, finish};

/// These keys are in the value.
fn has(value: &Value, keys: &[&str]) {
    for key in keys {
        assert!(value.get(key).is_some(), "{key} is missing in {value}");
    }
}

on_both!(every_command_on_tariffs_answers_with_the_keys_that_programs_rely_on, database => {
    let program = Program::on(database);
    let deck = program.file("sold.csv", SOLD);
    program.ok(&["migrate"]);
    program.ok(&["check-config"]);
    has(&program.ok(&["fx", "set", "USD", "EUR", "0.92"]), &["rate"]);
    program.ok(&["fx", "set", "USD", "EUR", "0.93", "--from", "2099-01-01"]);
    let imported = program.ok(&["tariff", "import", "sold", &deck]);
    has(&imported, &["name", "version", "rows", "prefixes", "errors"]);
    assert_eq!(
        (&imported["version"], &imported["rows"], &imported["prefixes"]),
        (&1.into(), &6.into(), &6.into())
    );
    assert_eq!(program.ok(&["tariff", "import", "sold", &deck])["version"], 2);
    assert_eq!(program.ok(&["tariff", "import", "sold", &deck, "--dry-run"])["version"], Value::Null);
    let mapped = program.file("mapped.csv", "Code,Rate,Where\n49,0.02,Germany\n");
    let columns = "prefix=Code,price_per_minute=Rate,destination=Where";
    program.ok(&["tariff", "import", "buy", &mapped, "--currency", "USD", "--columns", columns]);
    assert_eq!(program.ok(&["tariff", "list"])["tariffs"].as_array().unwrap().len(), 2);
    assert_eq!(program.ok(&["tariff", "show", "sold"])["version"], 2);
    assert_eq!(program.ok(&["tariff", "show", "sold", "4930"])["prefix"], "4930");
    assert_eq!(program.ok(&["tariff", "diff", "sold", &deck])["unchanged"], 6);
    let exported = program.run_for_a_person(&["tariff", "export", "sold"]);
    let again = program.file("again.csv", &exported.out);
    assert_eq!(
        program.ok(&["tariff", "diff", "sold", &again])["unchanged"],
        6,
        "what is exported imports to an equal deck"
    );
    let trunk = program.ok_line(
        "trunk create first --endpoint carrier --tariff buy --host sip.example.net --priority 5 \
         --weight 10 --zone UTC --max-calls 30 --strip 49 --prepend 0",
    );
    has(&trunk, &["id", "name"]);
});

on_both!(every_command_on_accounts_answers_with_the_keys_that_programs_rely_on, database => {
    let program = Program::on(database);
    let deck = program.file("sold.csv", SOLD);
    program.ok(&["tariff", "import", "sold", &deck]);
    has(&program.ok(&["plan", "create", "wholesale", "--tariff", "sold"]), &["id", "name"]);
    let plan = program.ok_line(
        "plan create retail --base wholesale --markup 20 --rounding up --decimals 4 \
         --block-rounding whole --zone Europe/Berlin --signup --tariff-limit 3",
    );
    has(&plan, &["id", "name"]);
    let reseller = program.ok(&["reseller", "create", "acme", "--plan", "wholesale", "--credit-limit", "5"]);
    has(&reseller, &["id", "login"]);
    program.ok(&["reseller", "create", "sub", "--plan", "wholesale", "--parent", "acme"]);
    program.ok(&["plan", "create", "own", "--base", "retail", "--markup", "1.2345", "--owner", "acme"]);
    let client = program.ok_line("client create alice --reseller sub --plan retail --credit-limit 0.5");
    has(&client, &["id", "login"]);
    let random = program.ok(&["client", "create", "--plan", "retail"]);
    let login = random["login"].as_str().unwrap();
    assert!((7..=9).contains(&login.len()) && login.bytes().all(|b| b.is_ascii_digit()), "{login}");
    let credit = program.ok(&["credit", "alice", "10.000000001", "--reference", "cash"]);
    has(&credit, &["login", "balance"]);
    assert_eq!(credit["balance"], "10.000000001");

    let shown = program.ok(&["account", "show", "alice"]);
    has(
        &shown,
        &["login", "kind", "active", "plan", "reseller", "balance", "held", "available", "credit_limit"],
    );
    assert_eq!(
        (&shown["kind"], &shown["plan"], &shown["reseller"]),
        (&"client".into(), &"retail".into(), &"sub".into())
    );
    assert_eq!((&shown["active"], &shown["credit_limit"]), (&true.into(), &"0.5".into()));
    assert_eq!((&shown["balance"], &shown["available"]), (&"10.000000001".into(), &"10.500000001".into()));
    has(&program.ok(&["rate", "alice", BERLIN]), &["prefix", "billed_seconds", "cost", "payers", "routes"]);
    let audit = program.ok(&["audit"]);
    has(&audit, &["ok", "wallets", "entries", "calls", "differences"]);
    assert_eq!((&audit["ok"], &audit["differences"]), (&true.into(), &Value::Array(Vec::new())));
    program.ok(&["secrets", "rotate"]);
});

on_both!(every_setting_of_an_account_is_kept_and_shown, database => {
    let program = Program::on(database);
    program.furnish();
    let set = program.ok_line(
        "account set alice --active no --credit-limit 1 --max-calls 3 --cps 2 --daily-spend 50 \
         --max-price 0.5 --max-call-seconds 3600 --block 882 --block 881 --callerid +4930111 \
         --dial-rule 00=>,0=>49 --allow-loss",
    );
    for (key, value) in [
        ("active", Value::from(false)),
        ("credit_limit", "1".into()),
        ("max_calls", 3.into()),
        ("cps", 2.into()),
        ("daily_spend", "50".into()),
        ("max_price", "0.5".into()),
        ("max_call_seconds", 3_600.into()),
        ("blocked_prefixes", vec!["882", "881"].into()),
        ("callerid", "+4930111".into()),
        ("dial_rules", "00=>,0=>49".into()),
        ("allow_loss", true.into()),
    ] {
        assert_eq!(set[key], value, "{key}");
        assert_eq!(program.shown("alice", key), value, "{key}");
    }
});

#[test]
fn a_wrong_usage_is_status_2_and_touches_nothing() {
    for arguments in [
        &["nonsense"][..],
        &[],
        &["tariff"],
        &["tariff", "import"],
        &["tariff", "import", "name"],
        &["plan", "create", "p"],
        &["plan", "create", "p", "--tariff", "t", "--base", "b"],
        &["plan", "create", "p", "--tariff", "t", "--rounding", "sideways"],
        &["plan", "create", "p", "--base", "b", "--markup", "-5"],
        &["plan", "create", "p", "--base", "b", "--markup", "1.23456"],
        &["reseller", "create", "r"],
        &["client", "create", "c"],
        &["credit", "alice"],
        &["credit", "alice", "5"],
        &["account", "show"],
        &["account", "set", "alice", "--active", "perhaps"],
        &["trunk", "create", "t"],
        &["rate", BERLIN],
        &["rate", "alice", BERLIN, "--seconds", "1", "--ms", "1"],
        &["rate", "alice", BERLIN, "--credit", "1e5"],
        &["rate", "alice", BERLIN, "--at", "yesterday"],
        &["call", "alice", BERLIN],
        &["fx", "set", "USD", "EUR", "-1"],
        &["fx", "set", "dollar", "EUR", "1"],
        &["secrets"],
        &["serve", "--port", "1"],
        &["demo", "--twice"],
    ] {
        let files = tempfile::tempdir().unwrap();
        let said = finish(bare().args(arguments).arg("--json").current_dir(files.path()));
        assert_eq!(said.status, 2, "{arguments:?}: {said:?}");
        assert!(!said.err.is_empty(), "{arguments:?} says what is wrong on standard error");
        assert_eq!(std::fs::read_dir(files.path()).unwrap().count(), 0, "{arguments:?} left something");
    }
    for arguments in [&["--help"][..], &["--version"], &["account", "set", "--help"], &["help", "rate"]] {
        let said = finish(bare().args(arguments));
        assert_eq!(said.status, 0, "{arguments:?}: {said:?}");
    }
}

#[test]
fn what_is_refused_is_status_1_with_a_code_and_names_the_field() {
    let program = Program::sqlite();
    program.furnish();
    let bad = program.file("bad.csv", "prefix,price_per_minute\n49,0.02\n49x,0.02\n44,-0.1\n49,0.03\n");
    for (arguments, code, named) in [
        (&["account", "show", "nobody"][..], "unknown_account", "nobody"),
        (&["credit", "nobody", "5", "--reference", "x"], "unknown_account", "nobody"),
        (&["credit", "alice", "5.0000000001", "--reference", "x"], "bad_amount", "AMOUNT"),
        (&["credit", "alice", "1_000", "--reference", "x"], "bad_amount", "AMOUNT"),
        (&["credit", "alice", ".5", "--reference", "x"], "bad_amount", "AMOUNT"),
        (&["credit", "alice", "1e5", "--reference", "x"], "bad_amount", "AMOUNT"),
        (&["credit", "alice", "0", "--reference", "x"], "bad_argument", "AMOUNT"),
        (&["credit", "alice", "99999999999", "--reference", "x"], "bad_amount", "AMOUNT"),
        (&["credit", "alice", "-100.01", "--reference", "x"], "no_credit", "alice"),
        (&["credit", "alice", "5", "--reference", ""], "bad_argument", "reference"),
        (&["reseller", "create", "beta", "--plan", "nothing"], "unknown_plan", "nothing"),
        (&["reseller", "create", "acme", "--plan", "wholesale"], "name_taken", "acme"),
        (&["reseller", "create", "x", "--plan", "wholesale", "--parent", "alice"], "not_a_reseller", "alice"),
        (
            &["reseller", "create", "x", "--plan", "wholesale", "--credit-limit=-1"],
            "bad_argument",
            "credit-limit",
        ),
        (&["client", "create", "x_ipa1", "--plan", "retail"], "bad_login", "x_ipa1"),
        (&["client", "create", "a b", "--plan", "retail"], "bad_login", "a b"),
        (&["client", "create", "first-endpoint", "--plan", "retail"], "name_taken", "first-endpoint"),
        (&["client", "create", "x", "--plan", "retail", "--reseller", "nobody"], "unknown_account", "nobody"),
        (&["account", "set", "alice", "--max-calls", "many"], "bad_argument", "max-calls"),
        (&["account", "set", "alice", "--daily-spend=-1"], "bad_argument", "daily-spend"),
        (&["account", "set", "alice", "--max-price", "x"], "bad_amount", "max-price"),
        (&["account", "set", "alice", "--max-call-seconds", "0"], "bad_argument", "max-call-seconds"),
        (&["account", "set", "alice", "--block", "49x"], "bad_argument", "block"),
        (&["account", "set", "alice", "--callerid", "alice"], "bad_argument", "callerid"),
        (&["account", "set", "alice", "--dial-rule", "0->49"], "bad_argument", "dial-rule"),
        (&["tariff", "show", "nothing"], "not_found", "nothing"),
        (&["tariff", "show", "sold", NOWHERE_PREFIX], "no_rate", NOWHERE_PREFIX),
        (&["tariff", "import", "sold", &bad], "bad_deck", "line 3"),
        (&["tariff", "import", "sold", "no-such.csv"], "unreadable", "no-such.csv"),
        (&["plan", "create", "retail", "--tariff", "sold"], "exists", "retail"),
        (&["plan", "create", "p", "--tariff", "nothing"], "not_found", "nothing"),
        (&["plan", "create", "p", "--tariff", "sold", "--zone", "Mars"], "invalid", "zone"),
        (&["plan", "create", "p", "--tariff", "sold", "--initial-credit=-1"], "invalid", "initial_credit"),
        (&["plan", "create", "p", "--tariff", "sold", "--owner", "alice"], "not_found", "alice"),
        (&["trunk", "create", "t", "--endpoint", "a&b", "--tariff", "sold"], "invalid", "endpoint"),
        (
            &["trunk", "create", "t", "--endpoint", "a", "--tariff", "sold", "--prepend", "x"],
            "invalid",
            "prepend",
        ),
        (&["call", "alice", BERLIN, "--talk", "1", "--server", "127.0.0.1:1"], "unreachable", "127.0.0.1:1"),
    ] {
        let said = program.run(arguments);
        assert_eq!((said.status, said.code().as_str()), (1, code), "{arguments:?}: {said:?}");
        let error = said.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(named), "{arguments:?} does not name {named}: {error}");
    }
    let bad_rows = program.run(&["tariff", "import", "sold", &bad]).json();
    has(&bad_rows, &["name", "version", "rows", "prefixes", "errors"]);
    let errors = bad_rows["errors"].as_array().unwrap();
    has(&errors[0], &["line", "column", "reason"]);
    assert_eq!((&errors[0]["line"], &errors[0]["column"]), (&3.into(), &"prefix".into()));
    // Nothing of all that changed anything.
    assert_eq!(program.ok(&["tariff", "show", "sold"])["version"], 1);
    assert_eq!(program.shown("alice", "balance"), "100");
    program.assert_audit();
}

const NOWHERE_PREFIX: &str = "999";

#[test]
fn for_a_person_answers_are_lines_and_refusals_go_to_standard_error() {
    let program = Program::sqlite();
    program.furnish();
    let said = program.run_for_a_person(&["account", "show", "alice"]);
    assert_eq!(said.status, 0);
    assert!(said.out.contains("alice") && said.out.contains("100") && !said.out.contains('{'), "{said:?}");
    let said = program.run_for_a_person(&["account", "show", "nobody"]);
    assert_eq!((said.status, said.out.as_str()), (1, ""));
    assert!(said.err.contains("nobody"), "{said:?}");
}

on_both!(a_new_client_begins_with_its_plans_initial_credit, database => {
    let program = Program::on(database);
    program.furnish();
    program.ok_line("plan create gift --base wholesale --markup 20 --initial-credit 1.5");
    program.ok(&["client", "create", "lucky", "--reseller", "acme", "--plan", "gift"]);
    assert_eq!(program.shown("lucky", "balance"), "1.5");
    program.assert_audit();
});

#[test]
fn a_chain_of_payers_is_at_most_four_deep() {
    let program = Program::sqlite();
    program.furnish();
    program.ok(&["reseller", "create", "two", "--plan", "wholesale", "--parent", "acme"]);
    program.ok(&["reseller", "create", "three", "--plan", "wholesale", "--parent", "two"]);
    program.ok(&["client", "create", "deep", "--plan", "retail", "--reseller", "three"]);
    assert_eq!(
        program.refused(&["reseller", "create", "four", "--plan", "wholesale", "--parent", "three"]),
        "too_deep"
    );
}

#[test]
fn a_played_call_tells_what_was_granted_and_settled_or_why_not() {
    let program = Program::sqlite();
    program.furnish();
    let serving = program.serve();
    let server = serving.fastagi.to_string();
    let call = program.ok(&["call", "alice", BERLIN, "--talk", "1", "--server", &server]);
    assert_eq!(call["settled"], true, "{call}");
    assert_eq!(program.shown("alice", "balance"), "99.998965");
    assert_eq!(program.refused(&["call", "alice", "999123", "--talk", "1", "--server", &server]), "no_rate");
    assert_eq!(
        program.refused(&["call", "stranger", BERLIN, "--talk", "1", "--server", &server]),
        "unknown_peer"
    );
    program.ok(&["call", "alice", BERLIN, "--talk", "0", "--server", &server]);
    assert_eq!(program.shown("alice", "balance"), "99.998965", "an unanswered call costs nothing");
    assert!(serving.stop().success());
    program.assert_audit();
}

#[test]
fn the_demo_plays_one_call_and_ends() {
    let files = tempfile::tempdir().unwrap();
    let data = files.path().join("demo");
    let mut command = bare();
    command.args(["demo", "--once", "--json", "--data"]).arg(&data).current_dir(files.path());
    let said = finish(&mut command);
    assert_eq!(said.status, 0, "{said:?}");
    let text = finish(bare().args(["demo", "--once"]).current_dir(files.path()));
    assert_eq!(text.status, 0, "{text:?}");
    for word in ["prefix", "margin", "balance"] {
        assert!(text.out.to_lowercase().contains(word), "the demo says nothing of {word}:\n{}", text.out);
    }
    assert!(said.json().is_object());
}
