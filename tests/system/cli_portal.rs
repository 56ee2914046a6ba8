//! `tollgate voucher | callerid | account password`: names, arguments, JSON, refusals.

use std::collections::BTreeSet;

use crate::app::database::on_both;
use crate::app::program::Program;

on_both!(vouchers_are_made_and_their_codes_shown_once, database => {
    let program = Program::on(database);
    program.furnish();
    let made = program.ok_line("voucher create --amount 12.50 --count 3 --issuer acme");
    let vouchers = made["vouchers"].as_array().unwrap();
    let codes: BTreeSet<&str> = vouchers.iter().map(|voucher| voucher["code"].as_str().unwrap()).collect();
    assert_eq!((codes.len(), &vouchers[0]["amount"]), (3, &"12.5".into()));
    assert!(codes.iter().all(|code| code.len() == 16));
    assert_eq!(program.ok_line("voucher create --amount 1 --count 600")["vouchers"].as_array().unwrap().len(), 600);
    for (line, code) in [
        ("voucher create --amount 0 --count 1", "bad_argument"),
        ("voucher create --amount 10000.000000001 --count 1", "bad_argument"),
        ("voucher create --amount x --count 1", "bad_argument"),
        ("voucher create --amount 1 --count 0", "bad_argument"),
        ("voucher create --amount 1 --count 10001", "bad_argument"),
        ("voucher create --amount 1 --count 1 --issuer alice", "not_a_reseller"),
        ("voucher create --amount 1 --count 1 --issuer nobody", "not_a_reseller"),
    ] {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(program.refused(&words), code, "{line}");
    }
    program.assert_audit();
});

#[test]
fn a_password_is_set_and_shown_and_caller_ids_are_listed() {
    let program = Program::sqlite();
    program.furnish();
    let made = program.ok_line("account password alice");
    assert_eq!((&made["login"], made["password"].as_str().unwrap().len()), (&"alice".into(), 16));
    let set = |password: &str| {
        program.run_with_input(password, &["account", "password", "alice", "--password-file", "-"])
    };
    assert_eq!(set("StrongPass123").json()["password"], "StrongPass123");
    assert_eq!(set("short").code(), "bad_password");
    assert_eq!(program.refused(&["account", "password", "nobody"]), "unknown_account");
    assert_eq!(program.ok_line("callerid list alice")["callerids"].as_array().unwrap().len(), 0);
    assert_eq!(program.refused(&["callerid", "list", "nobody"]), "unknown_account");
    assert_eq!(program.refused(&["callerid", "approve", "7"]), "unknown_callerid");
    assert_eq!(program.refused(&["callerid", "reject", "7"]), "unknown_callerid");
}
