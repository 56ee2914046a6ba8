//! The audit finds what somebody with the database's own rights has done to orders of data packages.

use sqlx::AssertSqlSafe;
use tollgate::ledger::audit::audit;
use tollgate::store::{Session as _, Side};

use crate::app::TestApp;
use crate::app::database::{Database, on_both};
use crate::app::esim::{Upstream, buy, wait_for};

/// Does it, undoes it, and tells what the audit says in between.
async fn planted(app: &TestApp, change: &str, undo: &str) -> Vec<(&'static str, String)> {
    run(app, change).await;
    let report = audit(&app.services.store).await.unwrap();
    run(app, undo).await;
    app.assert_right().await;
    report.differences.into_iter().map(|found| (found.kind, found.subject)).collect()
}

async fn run(app: &TestApp, text: &str) {
    let mut tx = app.services.store.begin().await.unwrap();
    let changed = match tx.side() {
        Side::Sqlite(c) => sqlx::query(AssertSqlSafe(text)).execute(c).await.unwrap().rows_affected(),
        Side::Postgres(c) => sqlx::query(AssertSqlSafe(text)).execute(c).await.unwrap().rows_affected(),
    };
    assert!(changed > 0, "{text} changes nothing");
    tx.commit().await.unwrap();
}

on_both!(each_share_of_each_payer_is_proven, database => {
    let database: Database = database;
    let upstream = Upstream::start(0).await;
    let app = TestApp::on(database, |config| upstream.configure(config)).await;
    app.sells().await;
    for table in ["entries", "transactions"] {
        let texts = if app.services.store.is_postgres() {
            vec![format!("ALTER TABLE {table} DISABLE TRIGGER ALL")]
        } else {
            ["update", "delete"].map(|event| format!("DROP TRIGGER {table}_keep_{event}")).to_vec()
        };
        for text in texts {
            let mut tx = app.services.store.begin().await.unwrap();
            match tx.side() {
                Side::Sqlite(c) => drop(sqlx::query(AssertSqlSafe(text)).execute(c).await.unwrap()),
                Side::Postgres(c) => drop(sqlx::query(AssertSqlSafe(text)).execute(c).await.unwrap()),
            }
            tx.commit().await.unwrap();
        }
    }
    let alice = app.script("alice").await;
    let charged = buy(&alice).await;
    wait_for(&alice, &charged, "ALLOCATED").await;
    upstream.fail("esim/order", "busy", 1_000).await;
    let waiting = buy(&alice).await;
    app.assert_right().await;
    let (charged, waiting) = (charged["order_id"].to_string(), waiting["order_id"].to_string());
    let tx = format!("(SELECT tx_id FROM esim_orders WHERE id = {charged})");
    let name = format!("(SELECT transaction_id FROM esim_orders WHERE id = {waiting})");
    let acme = "(SELECT id FROM accounts WHERE login = 'acme')";
    let alices = "(SELECT id FROM accounts WHERE login = 'alice')";
    let (settled, pending) = (format!("ALLOCATED eSIM order {charged}"), format!("PENDING eSIM order {waiting}"));

    // What was paid went to another account of the house: the reseller's to that of messages, the client's to the operator.
    let swap = |from: i64, to: i64| format!("UPDATE entries SET account_id = {to} WHERE tx_id = {tx} AND account_id = {from}");
    assert_eq!(planted(&app, &swap(7, 5), &swap(5, 7)).await, [("esim", settled.clone())]);
    assert_eq!(planted(&app, &swap(8, 7), &format!(
        "UPDATE entries SET account_id = 8 WHERE tx_id = {tx} AND account_id = 7 AND amount = (SELECT price FROM esim_orders WHERE id = {charged})"
    )).await, [("esim", settled.clone())]);
    // The reseller was charged twice as much, though everything sums to zero.
    let times = |factor: &str| format!("UPDATE entries SET amount = amount {factor} WHERE tx_id = {tx} AND account_id IN (7, {acme})");
    assert_eq!(planted(&app, &times("* 2"), &times("/ 2")).await, [("esim", settled.clone())]);
    // Less is held of the reseller than it will pay, or of somebody else.
    let held = |change: &str| format!("UPDATE held_credit SET {change} WHERE reference = {name} AND position = 2");
    assert_eq!(planted(&app, &held("amount = amount - 1"), &held("amount = amount + 1")).await, [("esim", pending.clone())]);
    assert_eq!(
        planted(&app, &held(&format!("account_id = {alices}")), &held(&format!("account_id = {acme}"))).await,
        [("esim", pending.clone())]
    );
    // The wholesale price that the order says is another one.
    let wholesale = |sign: &str| format!("UPDATE esim_orders SET wholesale = wholesale {sign} 1 WHERE id = {charged}");
    assert_eq!(planted(&app, &wholesale("+"), &wholesale("-")).await, [("esim", settled.clone())]);
    // A hold, and a transaction, of no order.
    let stray = format!("INSERT INTO held_credit (reference, position, account_id, amount, kind, at) VALUES ('stray', 1, {acme}, 1, 'esim', 0)");
    let found = planted(&app, &stray, "DELETE FROM held_credit WHERE reference = 'stray'").await;
    assert_eq!(found, [("esim", "hold stray".to_owned())]);
    let stray = "INSERT INTO transactions (id, at, kind, note) VALUES (999999, 0, 'esim', 'x')";
    let found = planted(&app, stray, "DELETE FROM transactions WHERE id = 999999").await;
    assert_eq!(found, [("esim", "transaction 999999".to_owned())]);
    // Two orders name one another's transaction: each differs, and the posting is not its order's.
    let number = format!("UPDATE esim_orders SET tx_id = tx_id + 1 WHERE id = {charged}");
    let found = planted(&app, &number, &number.replace("+ 1", "- 1")).await;
    assert!(found.contains(&("esim", settled.clone())) && found.iter().any(|(_, subject)| subject.starts_with("posting ")), "{found:?}");
    app.stop().await;
});
