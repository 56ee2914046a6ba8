//! `register-agent-payment`: payments that providers report to a portal.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::app::database::on_both;
use crate::app::http::{Answered, Script};

async fn tell(reseller: &Script, body: &Value) -> Answered {
    reseller.write("reseller-api", "register-agent-payment", body).await
}

fn payment(external_id: &str, txid: &str, status: &str) -> Value {
    json!({
        "login": "alice", "amount": "20.00", "currency": "EUR", "provider": "plisio", "external_id": external_id,
        "provider_txid": txid, "status": status,
    })
}

fn with(mut body: Value, field: &str, value: impl Into<Value>) -> Value {
    body[field] = value.into();
    body
}

#[tokio::test]
async fn a_paid_payment_is_credited_once_and_a_repetition_gets_the_first_answer() {
    let app = TestApp::start().await;
    app.furnish().await;
    let acme = app.script("acme").await;
    let told = payment("plisio_order_123", "tx_or_invoice_id", "paid");
    let first = tell(&acme, &told).await.ok();
    let id = &first["payment"]["id"];
    assert!(id.as_i64().unwrap() > 0);
    assert_eq!(
        first,
        json!({ "ok": true, "payment": {
            "id": id, "login": "alice", "amount": 20, "currency": "EUR", "provider": "plisio",
            "external_id": "plisio_order_123", "provider_txid": "tx_or_invoice_id", "status": "paid", "credited": true,
            "client_balance": 120,
        }})
    );
    app.credit("alice", "1").await;
    for status in ["paid", "completed", "paid_over"] {
        assert_eq!(tell(&acme, &with(told.clone(), "status", status)).await.ok(), first, "{status}");
    }
    assert_eq!(tell(&acme, &with(told.clone(), "status", "expired")).await.refused(409), "already_credited");
    for (field, value) in [
        ("amount", json!(21)),
        ("provider", json!("heleket")),
        ("provider_txid", json!("other")),
        ("provider_txid", json!("")),
    ] {
        assert_eq!(
            tell(&acme, &with(told.clone(), field, value)).await.refused(409),
            "external_id_taken",
            "{field}"
        );
    }
    let other_name = with(told.clone(), "external_id", "plisio_order_124");
    assert_eq!(tell(&acme, &other_name).await.refused(409), "provider_txid_taken");
    // Another provider's names are others.
    tell(&acme, &with(other_name, "provider", "heleket")).await.ok();
    assert_eq!((app.balance("alice").await.as_str(), app.balance("acme").await.as_str()), ("141", "100"));
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test]
async fn an_unpaid_payment_is_recorded_and_credited_once_when_it_becomes_paid() {
    let app = TestApp::start().await;
    app.furnish().await;
    let acme = app.script("acme").await;
    let pending = tell(&acme, &payment("one", "", "pending")).await.ok();
    assert_eq!(
        (&pending["payment"]["credited"], &pending["payment"]["client_balance"]),
        (&json!(false), &json!(100))
    );
    assert_eq!(pending["payment"]["provider_txid"], "");
    assert_eq!(tell(&acme, &payment("one", "", "pending")).await.ok(), pending);
    let known = tell(&acme, &payment("one", "t1", "pending")).await.ok();
    assert_eq!(known["payment"]["provider_txid"], "t1");
    assert_eq!(tell(&acme, &payment("one", "t1", "expired")).await.refused(409), "external_id_taken");
    assert_eq!(app.balance("alice").await, "100");
    let paid = tell(&acme, &payment("one", "t1", "completed")).await.ok();
    assert_eq!(
        (&paid["payment"]["credited"], &paid["payment"]["client_balance"]),
        (&json!(true), &json!(120))
    );
    assert_eq!(
        (&paid["payment"]["id"], &paid["payment"]["status"]),
        (&pending["payment"]["id"], &json!("completed"))
    );
    assert_eq!(tell(&acme, &payment("one", "t1", "paid")).await.ok(), paid);
    // One that is paid before its txid is known.
    let mut without = payment("two", "", "paid");
    without.as_object_mut().unwrap().remove("provider_txid");
    tell(&acme, &without).await.ok();
    let known = tell(&acme, &payment("two", "t2", "paid")).await.ok();
    assert_eq!(
        (&known["payment"]["provider_txid"], &known["payment"]["client_balance"]),
        (&json!("t2"), &json!(140))
    );
    assert_eq!(tell(&acme, &payment("three", "t2", "pending")).await.refused(409), "provider_txid_taken");
    assert_eq!(app.balance("alice").await, "140");
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test]
async fn malformed_payments_and_payments_for_another_resellers_client_are_refused() {
    let app = TestApp::start().await;
    app.furnish().await;
    app.reseller("rival", "wholesale", None).await;
    app.client("carol", Some("rival"), "retail").await;
    let acme = app.script("acme").await;
    let good = payment("x", "t", "paid");
    assert_eq!(tell(&acme, &with(good.clone(), "currency", "USD")).await.refused(422), "wrong_currency");
    for (field, value) in [
        ("amount", json!(0)),
        ("amount", json!("-20")),
        ("amount", json!("0.0000001")),
        ("amount", json!(1_000_001)),
        ("currency", json!("eur")),
        ("currency", json!("EURO")),
        ("provider", json!("")),
        ("provider", json!("Plisio")),
        ("provider", json!("p".repeat(33))),
        ("status", json!("")),
        ("status", json!("PAID")),
        ("status", json!("paid ")),
        ("external_id", json!("")),
        ("external_id", json!("a\u{0}")),
        ("provider_txid", json!("t".repeat(129))),
        ("provider_txid", json!("a\nb")),
        ("provider_txid", json!(7)),
    ] {
        let refused = tell(&acme, &with(good.clone(), field, value.clone())).await;
        assert_eq!(
            (refused.refused(400).as_str(), &refused.json()["field"]),
            ("bad_request", &json!(field)),
            "{value}"
        );
    }
    let missing = tell(&acme, &with(good.clone(), "login", "nobody")).await;
    assert_eq!(missing.refused(404), "not_found");
    let other = tell(&acme, &with(good.clone(), "login", "carol")).await;
    assert_eq!(other.without_request_id(), missing.without_request_id());
    assert_eq!((app.balance("alice").await.as_str(), app.balance("carol").await.as_str()), ("100", "0"));
    tell(&acme, &good).await.ok();
    app.assert_right().await;
    app.stop().await;
}

on_both!(a_hundred_concurrent_reports_of_a_payment_credit_it_once, database => {
    let app = TestApp::on(database, |config| config.limits.changes_per_minute = 10_000).await;
    app.furnish().await;
    app.client("bob", Some("acme"), "retail").await;
    let acme = app.script("acme").await;
    let told = payment("once", "tx", "paid");
    let answers = futures::future::join_all((0..100).map(|_| tell(&acme, &told))).await;
    for answer in &answers {
        assert_eq!(answer.ok(), answers[0].ok());
    }
    assert_eq!(app.balance("alice").await, "120");
    // One txid under many names, for two clients.
    let tries = (0..40).map(|n| {
        let body = payment(&format!("name {n}"), "shared", "paid");
        let body = with(body, "login", if n % 2 == 0 { "alice" } else { "bob" });
        let acme = &acme;
        async move { tell(acme, &body).await }
    });
    let answers = futures::future::join_all(tries).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert!(answers.iter().all(|answer| answer.status == 200 || answer.refused(409) == "provider_txid_taken"));
    // One name for two clients.
    let tries = (0..40).map(|n| {
        let body = with(payment("shared name", "", "paid"), "login", if n % 2 == 0 { "alice" } else { "bob" });
        let acme = &acme;
        async move { tell(acme, &body).await }
    });
    let answers = futures::future::join_all(tries).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 20);
    let (alice, bob) = (app.balance("alice").await, app.balance("bob").await);
    let sum = alice.parse::<u32>().unwrap() + bob.parse::<u32>().unwrap();
    assert_eq!(sum, 160, "{alice} and {bob}");
    app.assert_right().await;
    app.stop().await;
});
