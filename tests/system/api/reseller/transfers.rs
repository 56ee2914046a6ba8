//! `transfer` and `transactions`: retail credit from a reseller to its clients.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::app::database::on_both;
use crate::app::http::Script;

/// Requests at once where it matters.
const MANY: usize = 100;

async fn transfer(reseller: &Script, body: Value) -> crate::app::http::Answered {
    reseller.write("reseller-api", "transfer", &body).await
}

fn order(login: &str, amount: impl Into<Value>, external_id: &str) -> Value {
    json!({ "login": login, "amount": amount.into(), "external_id": external_id })
}

/// The reseller's failed transactions, each its name and reason.
async fn failures(reseller: &Script) -> Vec<(String, String)> {
    let listed = reseller.read("reseller-api", "transactions&status=failed&limit=200").await.ok();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rows = listed["transactions"].as_array().unwrap();
    rows.iter().map(|row| (text(&row["external_id"]), text(&row["reason"]))).collect()
}

#[tokio::test]
async fn a_transfer_credits_the_client_without_charging_the_reseller() {
    let app = TestApp::start().await;
    app.furnish().await;
    let acme = app.script("acme").await;
    let answer = transfer(&acme, order("alice", 1, "ORDER-DEMO-10001")).await.ok();
    assert_eq!(answer["ok"], true);
    let made = &answer["transaction"];
    assert!(made["id"].as_i64().unwrap() > 0);
    assert_eq!(
        *made,
        json!({
            "id": made["id"], "login": "alice", "amount": 1, "external_id": "ORDER-DEMO-10001", "status": "success",
            "client_balance": 101, "created_at": "2026-11-21T12:00:00Z",
        })
    );
    assert_eq!((app.balance("alice").await.as_str(), app.balance("acme").await.as_str()), ("101", "100"));
    let made = transfer(&acme, order("alice", "0.000001", "small")).await.ok();
    assert_eq!(made["transaction"]["client_balance"].to_string(), "101.000001");
    assert_eq!(acme.read("reseller-api", "me").await.ok()["reseller"]["balance"], 100);
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test]
async fn a_repeated_transfer_gets_the_first_answer_and_another_body_gets_409() {
    let app = TestApp::start().await;
    app.furnish().await;
    app.client("bob", Some("acme"), "retail").await;
    app.reseller("rival", "wholesale", None).await;
    app.client("carol", Some("rival"), "retail").await;
    let acme = app.script("acme").await;
    let first = transfer(&acme, order("alice", 5, "one")).await;
    app.credit("alice", "7").await;
    app.advance_ms(2_000).await;
    for amount in [json!(5), json!("5.00")] {
        assert_eq!(transfer(&acme, order("alice", amount, "one")).await.ok(), first.ok());
    }
    for other in [order("alice", 6, "one"), order("bob", 5, "one"), order("nobody", 5, "one")] {
        let refused = transfer(&acme, other).await;
        assert_eq!(refused.refused(409), "external_id_taken");
        assert_eq!(refused.json()["field"], "external_id");
    }
    // Another reseller's names are its own.
    transfer(&app.script("rival").await, order("carol", 5, "one")).await.ok();
    assert_eq!((app.balance("alice").await.as_str(), app.balance("bob").await.as_str()), ("112", "0"));
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test]
async fn a_refused_transfer_moves_nothing_and_its_external_id_stays_free() {
    let app = TestApp::start().await;
    app.furnish().await;
    app.reseller("rival", "wholesale", None).await;
    app.client("carol", Some("rival"), "retail").await;
    app.client("direct", None, "retail").await;
    let acme = app.script("acme").await;
    for amount in
        [json!(0), json!(-1), json!("-0.01"), json!(1_000_001), json!("0.0000001"), json!("1000000.000001")]
    {
        let refused = transfer(&acme, order("alice", amount.clone(), "x")).await;
        assert_eq!(
            (refused.refused(400).as_str(), &refused.json()["field"]),
            ("bad_request", &json!("amount")),
            "{amount}"
        );
    }
    for amount in [
        json!(null),
        json!("1e3"),
        json!(true),
        json!([1]),
        json!("0.0000000001"),
        json!("99999999999999999999"),
    ] {
        assert_eq!(transfer(&acme, order("alice", amount, "x")).await.json()["field"], "amount");
    }
    let missing = transfer(&acme, order("nobody", 1, "x")).await;
    assert_eq!(missing.refused(404), "not_found");
    for other in ["carol", "direct", "acme", "rival", &"y".repeat(33), "a\nb", ""] {
        assert_eq!(
            transfer(&acme, order(other, 1, "x")).await.without_request_id(),
            missing.without_request_id()
        );
    }
    for name in ["", "a\u{7}b", &"x".repeat(129)] {
        assert_eq!(transfer(&acme, order("alice", 1, name)).await.json()["field"], "external_id");
    }
    for field in ["login", "amount", "external_id"] {
        let mut body = order("alice", 1, "x");
        body.as_object_mut().unwrap().remove(field);
        let refused = transfer(&acme, body).await;
        assert_eq!((refused.refused(400).as_str(), &refused.json()["field"]), ("bad_request", &json!(field)));
    }
    assert_eq!(app.balance("alice").await, "100");
    assert_eq!(transfer(&acme, order("alice", 1, "x")).await.ok()["transaction"]["client_balance"], 101);
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test]
async fn transactions_list_the_resellers_own_transfers_and_failures_newest_first() {
    let app = TestApp::start().await;
    app.furnish().await;
    app.reseller("rival", "wholesale", None).await;
    let (acme, rival) = (app.script("acme").await, app.script("rival").await);
    transfer(&acme, order("alice", 5, "one")).await.ok();
    transfer(&acme, order("nobody", 5, "two")).await.refused(404);
    transfer(&acme, order("alice", 2_000_000, "three")).await.refused(400);
    transfer(&acme, order("alice", 6, "one")).await.refused(409);
    transfer(&acme, order("alice", 6, "four")).await.ok();
    let all = acme.read("reseller-api", "transactions").await.ok();
    let names: Vec<&str> = all["transactions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["external_id"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["four", "one", "three", "two", "one"]);
    assert_eq!((&all["limit"], &all["offset"], &all["total"]), (&json!(50), &json!(0), &json!(5)));
    let failed = &all["transactions"][3];
    assert_eq!(
        *failed,
        json!({
            "id": failed["id"], "login": "nobody", "amount": 5, "external_id": "two", "status": "failed",
            "reason": "unknown_client", "client_balance": null, "created_at": "2026-11-21T12:00:00Z",
        })
    );
    let wanted = [("one", "external_id_taken"), ("three", "amount"), ("two", "unknown_client")];
    let wanted: Vec<_> = wanted.iter().map(|(id, reason)| ((*id).to_owned(), (*reason).to_owned())).collect();
    assert_eq!(failures(&acme).await, wanted);
    let good = acme.read("reseller-api", "transactions&status=success&limit=1&offset=1").await.ok();
    assert_eq!((&good["transactions"][0]["external_id"], &good["total"]), (&json!("one"), &json!(2)));
    assert_eq!(acme.read("reseller-api", "transactions&status=open").await.refused(400), "bad_request");
    assert_eq!(acme.read("reseller-api", "transactions&limit=0").await.refused(400), "bad_request");
    assert_eq!(rival.read("reseller-api", "transactions").await.ok()["total"], 0);
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test]
async fn recorded_failures_are_limited_and_a_disabled_client_is_credited() {
    let app = TestApp::start().await;
    app.furnish().await;
    let acme = app.script("acme").await;
    for _ in 0..70 {
        transfer(&acme, order("nobody", 1, "loop")).await.refused(404);
    }
    let kept = failures(&acme).await.len();
    // A burst of seconds, and a minute's worth in a minute.
    assert!((20..70).contains(&kept), "{kept} are kept");
    let change = tollgate::accounts::ops::AccountChange { active: Some(false), ..Default::default() };
    app.set("alice", change).await;
    transfer(&acme, order("alice", 1, "for later")).await.ok();
    assert_eq!(app.balance("alice").await, "101");
    app.stop().await;
}

#[tokio::test]
async fn a_transfer_beyond_the_maximum_balance_is_refused() {
    let app = TestApp::start().await;
    app.furnish().await;
    let acme = app.script("acme").await;
    for _ in 0..9 {
        app.credit("alice", "1000000000").await;
    }
    app.credit("alice", "223000000").await;
    let before = app.balance("alice").await;
    assert_eq!(transfer(&acme, order("alice", 1_000_000, "big")).await.refused(422), "too_large");
    let payment = json!({
        "login": "alice", "amount": 1_000_000, "currency": "EUR", "provider": "bank", "external_id": "big", "status": "paid",
    });
    let refused = acme.write("reseller-api", "register-agent-payment", &payment).await;
    assert_eq!(refused.refused(422), "too_large");
    assert_eq!(failures(&acme).await, [("big".to_owned(), "too_large".to_owned())]);
    assert_eq!(app.balance("alice").await, before);
    app.assert_right().await;
    app.stop().await;
}

on_both!(a_hundred_transfers_with_one_external_id_take_effect_once, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    let acme = app.script("acme").await;
    let tries = (0..MANY).map(|_| transfer(&acme, order("alice", 3, "once")));
    let answers = futures::future::join_all(tries).await;
    let first = answers[0].ok();
    for answer in &answers {
        assert_eq!(answer.ok(), first);
    }
    assert_eq!(app.balance("alice").await, "103");
    let listed = acme.read("reseller-api", "transactions").await.ok();
    assert_eq!((&listed["total"], &listed["transactions"][0]), (&json!(1), &first["transaction"]));
    app.assert_right().await;
    app.stop().await;
});

on_both!(a_hundred_concurrent_transfers_arrive_and_a_shared_external_id_arrives_once, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    app.client("bob", Some("acme"), "retail").await;
    let acme = app.script("acme").await;
    let tries = (0..MANY).map(|n| {
        let acme = &acme;
        async move { transfer(acme, order("alice", "0.01", &format!("order {n}"))).await }
    });
    let mut balances: Vec<String> = futures::future::join_all(tries)
        .await
        .iter()
        .map(|answer| answer.ok()["transaction"]["client_balance"].to_string())
        .collect();
    balances.sort();
    balances.dedup();
    assert_eq!(balances.len(), MANY, "each saw the balance after itself");
    assert_eq!(app.balance("alice").await, "101");
    let tries = (0..20).map(|n| {
        let (acme, login) = (&acme, if n % 2 == 0 { "alice" } else { "bob" });
        async move { transfer(acme, order(login, 1, "both")).await.status }
    });
    let statuses = futures::future::join_all(tries).await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 10, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 10, "{statuses:?}");
    let (alice, bob) = (app.balance("alice").await, app.balance("bob").await);
    assert!((alice == "102" && bob == "0") || (alice == "101" && bob == "1"), "{alice} {bob}");
    app.assert_right().await;
    app.stop().await;
});
