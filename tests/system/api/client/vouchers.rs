//! Vouchers, and the account's password.

use std::collections::BTreeSet;

use futures::future::join_all;
use hyper::Method;
use serde_json::{Value, json};
use tollgate::accounts::hashing::Caller;
use tollgate::accounts::{credentials, password, vouchers};

use crate::api::client::phones::{keys, set, tally};
use crate::app::TestApp;
use crate::app::database::on_both;
use crate::app::house::money;
use crate::app::http::{Answered, Script};

impl TestApp {
    async fn voucher(&self, amount: &str, issuer: Option<&str>) -> String {
        vouchers::issue(&self.services, money(amount), 1, issuer).await.unwrap().remove(0)
    }
}

async fn redeem(script: &Script, code: &str) -> Answered {
    script.write("client-api", "redeem-voucher", &json!({ "voucher": code })).await
}

on_both!(concurrent_attempts_redeem_a_voucher_once, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    app.client("bob", Some("acme"), "retail").await;
    let (alice, bob) = (app.script("alice").await, app.script("bob").await);
    let code = app.voucher("7.25", Some("acme")).await;
    let tries = (0..100).map(|n| redeem(if n % 2 == 0 { &alice } else { &bob }, &code));
    let answers = join_all(tries).await;
    assert_eq!(tally(&answers), (1, BTreeSet::from(["already_redeemed".to_owned()])));
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 409)));
    let sum = [app.show("alice").await.balance, app.show("bob").await.balance];
    assert_eq!(sum[0].checked_add(sum[1]).unwrap(), money("107.25"));
    app.assert_right().await;
    // One account alone, as many at once.
    let code = app.voucher("1", Some("acme")).await;
    let answers = join_all((0..100).map(|_| redeem(&alice, &code))).await;
    assert_eq!(tally(&answers), (1, BTreeSet::from(["already_redeemed".to_owned()])));
    app.assert_right().await;
    app.stop().await;
});

#[tokio::test]
async fn a_voucher_is_valid_for_its_issuers_clients_and_their_subaccounts() {
    let app = TestApp::start().await;
    app.furnish().await;
    app.reseller("rival", "wholesale", None).await;
    app.client("theirs", Some("rival"), "retail").await;
    app.client("direct", None, "retail").await;
    app.subaccount("alice-sub", "alice").await;
    let (alice, theirs) = (app.script("alice").await, app.script("theirs").await);
    let (direct, sub) = (app.script("direct").await, app.script("alice-sub").await);
    let acmes = app.voucher("5", Some("acme")).await;
    let houses = app.voucher("3.123456789", None).await;
    let missing = redeem(&theirs, "ABCDEFGHJKLMNPQR").await.without_request_id();
    assert_eq!((missing.0, &missing.1["code"]), (404, &json!("not_found")));
    for (script, code) in [(&theirs, &acmes), (&direct, &acmes), (&alice, &houses), (&theirs, &houses)] {
        assert_eq!(redeem(script, code).await.without_request_id(), missing);
    }
    let typed = format!(" {}-{} ", &acmes[..8].to_lowercase(), &acmes[8..]);
    let answer = redeem(&sub, &typed).await.ok();
    assert_eq!(keys(&answer), set(&["success", "message", "data"]));
    assert_eq!(answer["data"], json!({ "amount": "5.0000", "balance": "5.0000" }));
    let acme = app.balance("acme").await;
    assert_eq!(
        (app.balance("alice-sub").await.as_str(), acme.as_str()),
        ("5", "100"),
        "the reseller pays nothing"
    );
    let answer = redeem(&direct, &houses).await.ok();
    assert_eq!(answer["data"], json!({ "amount": "3.123456789", "balance": "3.123456789" }));
    assert_eq!(redeem(&direct, &houses).await.refused(409), "already_redeemed");
    // Of whom it is not for it stays unknown, redeemed or not.
    assert_eq!(redeem(&theirs, &acmes).await.without_request_id(), missing);
    let refills = direct.read("client-api", "refills").await.ok();
    assert_eq!((&refills["data"][0]["type"], &refills["total"]), (&json!("voucher"), &json!(1)));
    for body in [
        json!({}),
        json!({ "voucher": 7 }),
        json!({ "voucher": "" }),
        json!({ "voucher": "a\u{0}b" }),
        json!({ "voucher": "x".repeat(65) }),
    ] {
        let refused = direct.write("client-api", "redeem-voucher", &body).await;
        assert_eq!(
            (refused.refused(400).as_str(), &refused.json()["field"]),
            ("bad_request", &json!("voucher"))
        );
    }
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test]
async fn voucher_guessing_is_rate_limited() {
    let app = TestApp::start().await;
    app.furnish().await;
    app.client("bob", Some("acme"), "retail").await;
    let (alice, bob) = (app.script("alice").await, app.script("bob").await);
    let code = app.voucher("5", Some("acme")).await;
    let guesses = join_all((0..40).map(|_| redeem(&alice, "ABCDEFGHJKLMNPQR"))).await;
    assert_eq!(guesses.iter().filter(|guess| guess.status == 404).count(), 10);
    let blocked = redeem(&alice, &code).await;
    assert_eq!(blocked.refused(429), "too_many_attempts");
    let wait: u32 = blocked.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=3_601).contains(&wait), "{wait}");
    assert_eq!(redeem(&bob, "ABCDEFGHJKLMNPQR").await.refused(404), "not_found", "nobody else waits");
    app.advance_ms(3_600_000).await;
    redeem(&alice, &code).await.ok();
    app.stop().await;
}

#[tokio::test]
async fn a_repeated_redemption_with_an_idempotency_key_gets_the_first_answer() {
    let app = TestApp::start().await;
    app.furnish().await;
    let alice = app.script("alice").await;
    let (one, other) = (app.voucher("5", Some("acme")).await, app.voucher("5", Some("acme")).await);
    let ask = |code: &str| {
        let headers = [("content-type", "application/json"), ("idempotency-key", "order-1")];
        let body = json!({ "voucher": code }).to_string();
        let alice = alice.clone();
        async move {
            alice.ask(Method::POST, "/client-api/index.php?endpoint=redeem-voucher", &headers, body).await
        }
    };
    let answers = join_all((0..20).map(|_| ask(&one))).await;
    let first: Value = answers[0].ok();
    assert!(answers.iter().all(|answer| answer.ok() == first));
    assert_eq!(ask(&other).await.refused(409), "idempotency_key_taken");
    assert_eq!(app.balance("alice").await, "105");
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test]
async fn changing_the_password_requires_the_current_one() {
    let app = TestApp::start().await;
    app.furnish().await;
    let alice = app.script("alice").await;
    let change = |current: &str, new: &str| {
        let body = json!({ "current_password": current, "new_password": new });
        let alice = alice.clone();
        async move { alice.write("client-api", "change-password", &body).await }
    };
    assert_eq!(change("OldPassword", "NewPassword987").await.refused(422), "no_password");
    credentials::set(&app.services, "alice", Some("OldPassword".to_owned())).await.unwrap();
    let changed = change("OldPassword", "NewPassword987").await.ok();
    assert_eq!(keys(&changed), set(&["success", "message"]));
    let account = app.show("alice").await.account;
    let hash = app.services.store.password(account.id).await.unwrap();
    assert!(password::verify("NewPassword987".to_owned(), hash, &Caller::operator()).await.unwrap());
    let short = change("NewPassword987", "short").await;
    assert_eq!(
        (short.refused(400).as_str(), &short.json()["field"]),
        ("bad_request", &json!("new_password"))
    );
    let wrong = change("OldPassword", "OtherPassword").await;
    assert_eq!(
        (wrong.refused(422).as_str(), &wrong.json()["field"]),
        ("wrong_password", &json!("current_password"))
    );
    let guesses = join_all((0..12).map(|_| change("OldPassword", "OtherPassword"))).await;
    assert_eq!(guesses.iter().filter(|guess| guess.status == 422).count(), 9);
    assert_eq!(change("NewPassword987", "OtherPassword").await.refused(429), "too_many_attempts");
    app.stop().await;
}
