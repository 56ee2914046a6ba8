//! `tollgate sip | ipauth`: names, arguments, JSON, refusals; with a server and without one.

use serde_json::Value;

use crate::app::database::on_both;
use crate::app::decks::SOLD;
use crate::app::program::Program;

/// A client `1234567801` and a client `bob`.
fn furnish(program: &Program) {
    let deck = program.file("sold.csv", SOLD);
    program.ok(&["tariff", "import", "sold", &deck]);
    program.ok(&["plan", "create", "retail", "--tariff", "sold"]);
    program.ok(&["reseller", "create", "acme", "--plan", "retail"]);
    for login in ["1234567801", "bob"] {
        let made = program.ok(&["client", "create", login, "--plan", "retail"]);
        assert_eq!(made["sip"]["login"], login);
        assert_eq!(made["sip"]["password"].as_str().unwrap().len(), 20);
    }
}

fn code(program: &Program, line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let said = program.run(&words);
    assert_eq!(said.status, 1, "{line}: {said:?}");
    said.code()
}

fn names(listed: &Value) -> Vec<&str> {
    listed["sip_accounts"].as_array().unwrap().iter().map(|peer| peer["name"].as_str().unwrap()).collect()
}

on_both!(sip_accounts_are_made_changed_and_deleted, database => {
    let program = Program::on(database);
    furnish(&program);
    let made = program.ok_line("sip create 1234567801");
    assert_eq!((&made["name"], &made["main"], &made["active"]), (&"1234567802".into(), &false.into(), &true.into()));
    assert_eq!(made["password"].as_str().unwrap().len(), 20);
    let with = |password: &str, line: &str| {
        let words: Vec<&str> = line.split_whitespace().chain(["--password-file", "-"]).collect();
        program.run_with_input(password, &words)
    };
    let chosen = with("StrongSipPass123", "sip create bob").json();
    assert_eq!((&chosen["name"], &chosen["password"]), (&"bob-2".into(), &"StrongSipPass123".into()));
    assert_eq!(program.ok_line("sip create 1234567801")["name"], "1234567803");

    let listed = program.ok_line("sip list 1234567801");
    assert_eq!(names(&listed), ["1234567801", "1234567802", "1234567803"]);
    let main = &listed["sip_accounts"][0];
    assert_eq!((&main["main"], &main["active"], &main["registered"]), (&true.into(), &true.into(), &Value::Null));
    assert!(!listed.to_string().contains("password"), "a list shows no password");

    let changed = with("another-one", "sip password 1234567801 1234567802").json();
    assert_eq!((&changed["name"], &changed["password"]), (&"1234567802".into(), &"another-one".into()));
    assert_ne!(program.ok_line("sip password 1234567801")["password"], made["password"]);
    assert_eq!(program.ok_line("sip disable 1234567801 1234567802")["active"], false);
    assert_eq!(program.ok_line("sip disable 1234567801")["active"], false);
    assert_eq!(program.ok_line("sip enable 1234567801")["active"], true);
    assert_eq!(program.ok_line("sip delete 1234567801 1234567802")["name"], "1234567802");
    assert_eq!(names(&program.ok_line("sip list 1234567801")), ["1234567801", "1234567803"]);
    // A number that became free comes again.
    assert_eq!(program.ok_line("sip create 1234567801")["name"], "1234567802");

    assert_eq!(with("short", "sip create bob").code(), "bad_password");
    assert_eq!(with("pässwort-mit-umlaut", "sip password bob").code(), "bad_password");
    for (line, wanted) in [
        ("sip create nobody", "unknown_account"),
        ("sip list nobody", "unknown_account"),
        ("sip create acme", "no_phones"),
        ("sip delete 1234567801 1234567801", "main_sip_account"),
        // Somebody else's is as one that is not there.
        ("sip delete bob 1234567802", "unknown_sip_account"),
        ("sip disable bob 1234567801", "unknown_sip_account"),
        ("sip password bob nobody", "unknown_sip_account"),
    ] {
        assert_eq!(code(&program, line), wanted, "{line}");
    }
});

on_both!(ip_peers_are_made_switched_and_deleted, database => {
    let program = Program::on(database);
    furnish(&program);
    let made = program.ok_line("ipauth create 1234567801 203.0.113.10");
    assert_eq!((&made["peer_name"], &made["sip_login"]), (&"1234567801_ipa1".into(), &"1234567801".into()));
    assert_eq!((&made["ip"], &made["port"], &made["status"]), (&"203.0.113.10".into(), &5060.into(), &1.into()));
    let id = made["id"].as_i64().unwrap().to_string();
    assert_eq!(program.ok_line("ipauth create 1234567801 203.0.113.11")["peer_name"], "1234567801_ipa2");
    assert_eq!(code(&program, "ipauth create bob 203.0.113.10"), "ip_taken");
    assert_eq!(program.ok_line(&format!("ipauth disable 1234567801 {id}"))["status"], 0);
    assert_eq!(program.ok_line("ipauth create bob 203.0.113.10")["peer_name"], "bob_ipa1");
    assert_eq!(code(&program, &format!("ipauth enable 1234567801 {id}")), "ip_taken");
    program.ok_line("ipauth delete bob bob_ipa1");
    assert_eq!(program.ok_line(&format!("ipauth enable 1234567801 {id}"))["status"], 1);
    let listed = program.ok_line("ipauth list 1234567801");
    assert_eq!(listed["ip_auth"].as_array().unwrap().len(), 2);
    assert_eq!(program.ok_line("ipauth delete 1234567801 203.0.113.11")["deleted"], true);
    assert_eq!(program.ok_line("ipauth create 1234567801 203.0.113.12")["peer_name"], "1234567801_ipa2");
    // They show in no SIP list unless asked for, and go with their SIP account.
    assert_eq!(names(&program.ok_line("sip list 1234567801")), ["1234567801"]);
    assert_eq!(names(&program.ok_line("sip list 1234567801 --include-service")).len(), 3);
    program.ok_line("sip create bob");
    program.ok_line("ipauth create bob-2 203.0.113.20");
    program.ok_line("sip delete bob bob-2");
    program.ok_line("ipauth create bob 203.0.113.20");

    for (line, wanted) in [
        ("ipauth create nobody 203.0.113.30", "unknown_sip_account"),
        ("ipauth create 1234567801_ipa1 203.0.113.30", "unknown_sip_account"),
        ("ipauth list acme", "unknown_sip_account"),
        ("ipauth disable bob 1234567801_ipa1", "unknown_ip_peer"),
        ("ipauth delete bob 999999", "unknown_ip_peer"),
        ("ipauth create bob 10.0.0.1", "bad_ip"),
        ("ipauth create bob 127.0.0.1", "bad_ip"),
        ("ipauth create bob 255.255.255.255", "bad_ip"),
        ("ipauth create bob 2001:db8::1", "bad_ip"),
        ("ipauth create bob 203.0.113.30:5060", "bad_ip"),
    ] {
        assert_eq!(code(&program, line), wanted, "{line}");
    }
});

#[test]
fn a_sip_account_has_twenty_ip_peers_and_our_own_addresses_are_nobodys() {
    let program = Program::sqlite();
    furnish(&program);
    for last in 1..=20 {
        program.ok_line(&format!("ipauth create bob 198.51.100.{last}"));
    }
    assert_eq!(code(&program, "ipauth create bob 198.51.100.21"), "too_many");
    program.ok_line("trunk create first --endpoint carrier --tariff sold --host 203.0.113.99:5060");
    assert_eq!(code(&program, "ipauth create 1234567801 203.0.113.99"), "bad_ip");
    // A peer's name may not become a trunk's endpoint's twin either way.
    program.ok_line("trunk create second --endpoint 1234567802 --tariff sold");
    assert_eq!(program.ok_line("sip create 1234567801")["name"], "1234567803");
}

#[test]
fn the_token_of_asterisk_is_shown_as_its_line_and_a_rotation_encrypts_passwords_anew() {
    let program = Program::sqlite();
    furnish(&program);
    let shown = program.run_for_a_person(&["secrets", "realtime"]).out;
    let token = program.ok_line("secrets realtime")["token"].as_str().unwrap().to_owned();
    assert_eq!(shown.trim(), format!("userpwd = tollgate:{token}"));
    assert_eq!(token.len(), 64);
    assert_eq!(program.ok_line("secrets rotate")["encrypted_anew"], 2);
    assert_ne!(program.ok_line("secrets realtime")["token"], token.as_str());
    // Beyond the sixteen keys that are kept nothing is lost.
    for _ in 0..17 {
        program.ok_line("secrets rotate");
    }
    assert_eq!(program.ok_line("secrets rotate")["encrypted_anew"], 2);
    assert_eq!(program.ok_line("sip list bob")["sip_accounts"][0]["active"], true);
}
