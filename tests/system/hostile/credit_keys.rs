//! Credit whose answer was lost: repeated under its key it happens once.

use crate::app::TestApp;
use crate::app::database::on_both;
use crate::app::program::Program;
use tollgate::accounts::balance::account_money;
use tollgate::accounts::credit::{CreditOrder, give};
use tollgate_rating::Money;

on_both!(credit_under_a_key_happens_once_also_across_a_kill_and_a_restart, database => {
    let program = Program::on(database);
    program.furnish();
    let command = ["credit", "alice", "10", "--reference", "invoice 7", "--key", "invoice-7"];
    let serving = program.serve();
    let first = program.ok(&command);
    assert_eq!((&first["balance"], &first["repeated"]), (&"110".into(), &false.into()));
    let again = program.ok(&command);
    assert_eq!((&again["balance"], &again["repeated"]), (&"110".into(), &true.into()));
    assert_eq!(again["transaction"], first["transaction"]);
    // The server is killed: whether it credited is found in the ledger.
    serving.kill();
    assert_eq!(program.ok(&command)["repeated"], true, "without a server");
    let serving = program.serve();
    assert_eq!(program.ok(&command)["transaction"], first["transaction"]);
    for other in [
        ["credit", "alice", "10.01", "--reference", "x", "--key", "invoice-7"],
        ["credit", "alice", "-10", "--reference", "x", "--key", "invoice-7"],
        ["credit", "acme", "10", "--reference", "x", "--key", "invoice-7"],
    ] {
        assert_eq!(program.refused(&other), "key_taken", "{other:?}");
    }
    for key in ["", " ", "a b", "a\n", "ä", &"x".repeat(65)] {
        let command = ["credit", "alice", "10", "--reference", "x", "--key", key];
        assert_eq!(program.refused(&command), "bad_argument", "{key:?}");
    }
    // A debit is repeated although it would not be covered any more.
    let debit = ["credit", "alice", "-110", "--reference", "all", "--key", "debit-1"];
    assert_eq!(program.ok(&debit)["balance"], "0");
    assert_eq!(program.ok(&debit)["repeated"], true);
    // Without a key each is another.
    for balance in ["1", "2"] {
        assert_eq!(program.ok(&["credit", "alice", "1", "--reference", "same"])["balance"], balance);
    }
    assert!(serving.stop().success());
    assert_eq!(program.shown("alice", "balance"), "2");
    program.assert_audit();
});

on_both!(many_commands_of_one_key_at_once_credit_once, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    let before = account_money(&app.services, &app.services.store.account_by_login("alice").await.unwrap().unwrap()).await.unwrap();
    let orders = (0..8).map(|_| async {
        let order = CreditOrder {
            login: "alice",
            amount: Money::parse("3").unwrap(),
            reference: "at once",
            key: Some("at-once"),
        };
        give(&app.services, &order).await.unwrap()
    });
    let given = futures::future::join_all(orders).await;
    assert_eq!(given.iter().filter(|credited| !credited.repeated).count(), 1, "{given:?}");
    assert!(given.iter().all(|credited| credited.tx_id == given[0].tx_id), "{given:?}");
    let wanted = before.balance.checked_add(Money::parse("3").unwrap()).unwrap();
    assert!(given.iter().all(|credited| credited.balance == wanted), "{given:?}");
    app.assert_right().await;
    app.stop().await;
});
