//! Texts that others choose: names of movements in two spellings, and logins that are tried out.

use futures::future::join_all;
use serde_json::json;

use tollgate::clock::Clock as _;
use tollgate::store::transfers::{TransferEnd, TransferRecord};

use crate::app::TestApp;
use crate::app::database::on_both;
use crate::app::house::money;

const API: &str = "reseller-api";

/// `ORDER-1 A`, written in ways that look or are meant alike.
const SPELLINGS: [&str; 14] = [
    " ORDER-1 A",
    "ORDER-1 A ",
    "  ORDER-1 A  ",
    "ORDER-1  A",
    "ORDER-1\u{A0}A",
    "ORDER-1\u{2009}A",
    "ORDER-1\u{3000}A",
    "ORDER-1\u{1680}A",
    "ORDER-1\u{200B} A",
    "ORDER-1 A\u{FEFF}",
    "ORDER\u{AD}-1 A",
    "ORDER-1 \u{FF21}",
    "ORDER-\u{FF11} A",
    "ORDER-1\tA",
];

on_both!(a_transfer_is_made_once_however_its_name_is_written, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    let acme = app.script("acme").await;
    let before = app.show("alice").await.balance;
    let order = |id: &str| json!({ "login": "alice", "amount": 1, "external_id": id });
    let first = acme.write(API, "transfer", &order("ORDER-1 A")).await.ok();
    for spelling in SPELLINGS {
        let refused = acme.write(API, "transfer", &order(spelling)).await;
        assert_eq!(refused.refused(400), "bad_request", "{spelling:?}");
        assert_eq!(refused.json()["field"], "external_id", "{spelling:?}");
    }
    let again = acme.write(API, "transfer", &order("ORDER-1 A")).await.ok();
    assert_eq!(again["transaction"], first["transaction"]);
    // Letters of any script have one form.
    acme.write(API, "transfer", &order("Überweisung 7")).await.ok();
    assert_eq!(acme.write(API, "transfer", &order("U\u{308}berweisung 7")).await.refused(400), "bad_request");
    let given = app.show("alice").await.balance.checked_sub(before).unwrap();
    assert_eq!(given.to_string(), "2");
    app.assert_right().await;
    app.stop().await;
});

#[tokio::test]
async fn a_transfer_that_was_made_under_an_odd_name_is_found_by_it() {
    let app = TestApp::start().await;
    app.furnish().await;
    let acme = app.script("acme").await;
    let order = |id: &str| json!({ "login": "alice", "amount": 1, "external_id": id });
    // As an earlier program kept it.
    let kept = TransferRecord {
        id: 900_000,
        reseller_id: app.show("acme").await.account.id,
        external_id: " OLD  1 ".to_owned(),
        login: "alice".to_owned(),
        amount: money("1"),
        end: TransferEnd::Success { client_balance: money("101") },
        created_at: app.clock.now(),
    };
    let mut tx = app.services.store.begin().await.unwrap();
    tx.insert_transfer(&kept).await.unwrap();
    tx.commit().await.unwrap();
    let again = acme.write(API, "transfer", &order(" OLD  1 ")).await.ok();
    assert_eq!(
        (&again["transaction"]["id"], &again["transaction"]["status"]),
        (&json!(900_000), &json!("success"))
    );
    assert_eq!(app.balance("alice").await, "100", "it is not given again");
    app.stop().await;
}

#[tokio::test]
async fn a_payment_is_credited_once_however_its_names_are_written() {
    let app = TestApp::start().await;
    app.furnish().await;
    let acme = app.script("acme").await;
    let told = |external_id: &str, txid: &str| {
        json!({
            "login": "alice", "amount": "5", "currency": "EUR", "provider": "plisio", "external_id": external_id,
            "provider_txid": txid, "status": "paid",
        })
    };
    acme.write(API, "register-agent-payment", &told("ORDER-1 A", "tx 1")).await.ok();
    for spelling in SPELLINGS {
        let refused = acme.write(API, "register-agent-payment", &told(spelling, "tx 2")).await;
        assert_eq!(
            (refused.refused(400).as_str(), &refused.json()["field"]),
            ("bad_request", &json!("external_id"))
        );
    }
    for txid in [" tx 1", "tx 1 ", "tx  1", "tx\u{A0}1", "tx \u{FF11}", "tx 1\u{200B}"] {
        let refused = acme.write(API, "register-agent-payment", &told("ORDER-2", txid)).await;
        assert_eq!(
            (refused.refused(400).as_str(), &refused.json()["field"]),
            ("bad_request", &json!("provider_txid"))
        );
    }
    assert_eq!(
        acme.write(API, "register-agent-payment", &told("ORDER-2", "tx 1")).await.refused(409),
        "provider_txid_taken"
    );
    assert_eq!(app.balance("alice").await, "105");
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test]
async fn an_idempotency_key_has_one_spelling() {
    let app = TestApp::start().await;
    app.furnish().await;
    let acme = app.script("acme").await;
    let path = "/reseller-api/index.php?endpoint=create-client";
    let make = async |key: &'static str| {
        let headers = [("Content-Type", "application/json"), ("Idempotency-Key", key)];
        acme.ask(hyper::Method::POST, path, &headers, "{}").await
    };
    let first = make("order 1").await.ok();
    assert_eq!(make("order 1").await.ok()["client"]["id"], first["client"]["id"]);
    // White space around a header's value is not part of it.
    assert_eq!(make(" order 1 ").await.ok()["client"]["id"], first["client"]["id"]);
    for odd in ["order  1", "order\t1"] {
        assert_eq!(make(odd).await.refused(400), "bad_request", "{odd:?}");
    }
    app.stop().await;
}

on_both!(logins_that_others_have_cannot_be_tried_out_by_the_thousand, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    app.reseller("rival", "wholesale", None).await;
    for n in 0..25 {
        app.client(&format!("theirs{n}"), Some("rival"), "retail").await;
    }
    let acme = app.script("acme").await;
    let make = |login: String| {
        let acme = &acme;
        async move { acme.write(API, "create-client", &json!({ "login": login })).await }
    };
    // Somebody's login, and a name that the operator keeps for a trunk: the same refusal.
    let somebodys = make("theirs0".to_owned()).await.without_request_id();
    assert_eq!(make("first-endpoint".to_owned()).await.without_request_id(), somebodys);
    assert_eq!((somebodys.0, &somebodys.1["code"]), (409, &json!("login_taken")));
    assert!(!somebodys.1.to_string().contains("rival"), "{somebodys:?}");
    // All at once: not one more is told than one after the other would be.
    let answers = join_all((0..25).map(|n| make(format!("theirs{n}")))).await;
    let of = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((of(409), of(429)), (18, 7));
    let free = make("free-as-air".to_owned()).await;
    assert_eq!(free.refused(429), "too_many_attempts", "taken or free, nothing is said");
    // A login that the service chooses is given all the same, and other resellers choose.
    acme.write(API, "create-client", &json!({})).await.ok();
    app.script("rival").await.write(API, "create-client", &json!({ "login": "free-as-air" })).await.ok();
    app.stop().await;
});
