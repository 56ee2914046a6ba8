//! What the upstream does wrong, one by one: it ends in one eSIM that is paid once, or in none that is paid.

use serde_json::json;
use tollgate::esim::orders;

use crate::app::TestApp;
use crate::app::esim::{CLIENT_PRICE, RESELLER_PRICE, Upstream, buy, shown, wait_for};
use crate::app::house::money;

async fn nothing_is_paid(app: &TestApp) {
    for login in ["alice", "acme"] {
        assert_eq!(
            (app.balance(login).await, app.held(login).await),
            ("100".to_owned(), "0".to_owned()),
            "{login}"
        );
    }
    app.assert_right().await;
}

async fn one_is_paid(app: &TestApp, upstream: &Upstream) {
    for (login, price) in [("alice", CLIENT_PRICE), ("acme", RESELLER_PRICE)] {
        let left = money("100").checked_sub(money(price)).unwrap().to_string();
        assert_eq!((app.balance(login).await, app.held(login).await), (left, "0".to_owned()), "{login}");
    }
    assert_eq!(upstream.orders().len(), 1);
    app.assert_right().await;
}

#[tokio::test]
async fn what_is_refused_is_given_back() {
    let upstream = Upstream::start(0).await;
    let app = TestApp::selling(&upstream).await;
    let alice = app.script("alice").await;
    for fault in ["no_stock", "bad_signature"] {
        upstream.fail("esim/order", fault, 1).await;
        let order = buy(&alice).await;
        let row = wait_for(&alice, &order, "FAILED").await;
        assert_eq!(row["iccid"], json!(null), "{fault}");
        nothing_is_paid(&app).await;
    }
    // Our balance there is out.
    upstream.set(&json!({ "balance": 100 })).await;
    let order = buy(&alice).await;
    wait_for(&alice, &order, "FAILED").await;
    // It has become dearer since the catalogue was read: it is not bought at another price than it was sold for.
    upstream.set(&json!({ "balance": 1_000_000, "price": { "code": "P2CYMUS93", "price": 6_300 } })).await;
    let order = buy(&alice).await;
    wait_for(&alice, &order, "FAILED").await;
    assert!(upstream.orders().is_empty());
    nothing_is_paid(&app).await;
    app.stop().await;
}

#[tokio::test]
async fn what_is_not_answered_is_asked_again_under_the_same_name() {
    for fault in ["busy", "server_error", "server_error_after", "lost_answer", "malformed"] {
        let upstream = Upstream::start(0).await;
        let app = TestApp::selling(&upstream).await;
        let alice = app.script("alice").await;
        upstream.fail("esim/order", fault, 2).await;
        // So is the question for the eSIM.
        upstream.fail("esim/query", fault, 1).await;
        let order = buy(&alice).await;
        wait_for(&alice, &order, "ALLOCATED").await;
        one_is_paid(&app, &upstream).await;
        let taken_at_once = matches!(fault, "server_error_after" | "lost_answer" | "malformed");
        assert_eq!(upstream.orders()[0].asked, if taken_at_once { 3 } else { 1 }, "{fault}");
        app.stop().await;
    }
}

#[tokio::test]
async fn a_refused_request_proves_nothing_about_an_earlier_one() {
    let upstream = Upstream::start(0).await;
    let app = TestApp::selling(&upstream).await;
    let alice = app.script("alice").await;
    upstream.fail("esim/order", "lost_answer", 1).await;
    upstream.fail("esim/order", "bad_signature", 1).await;
    let order = buy(&alice).await;
    wait_for(&alice, &order, "ALLOCATED").await;
    one_is_paid(&app, &upstream).await;
    app.stop().await;
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_one_that_did_not_come() {
    let upstream = Upstream::start(0).await;
    let app = TestApp::selling(&upstream).await;
    let alice = app.script("alice").await;
    upstream.fail("esim/order", "slow", 1).await;
    let order = buy(&alice).await;
    wait_for(&alice, &order, "ALLOCATED").await;
    one_is_paid(&app, &upstream).await;
    app.stop().await;
}

#[tokio::test]
async fn an_order_that_gets_no_answer_stays_pending_until_the_operator_ends_it() {
    let upstream = Upstream::start(0).await;
    let app = TestApp::selling(&upstream).await;
    let alice = app.script("alice").await;
    upstream.fail("esim/order", "busy", 1_000).await;
    let order = buy(&alice).await;
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    assert_eq!(shown(&alice, &order).await["status"], "PENDING");
    assert_eq!(app.held("alice").await, CLIENT_PRICE);
    app.assert_right().await;
    let id = order["order_id"].as_i64().unwrap();
    let now = app.desk.store.esim_order(id).await.unwrap().unwrap();
    assert!(now.reason.unwrap().contains("900001"));
    let stuck = now.new.created_at.checked_add(jiff::SignedDuration::from_secs(1)).unwrap();
    assert_eq!(app.desk.store.esim_orders_stuck(stuck).await.unwrap(), 1);
    orders::give_up(&app.desk, id).await.unwrap();
    assert_eq!(shown(&alice, &order).await["status"], "FAILED");
    nothing_is_paid(&app).await;
    // Ending it again, or one that does not exist, changes nothing.
    orders::give_up(&app.desk, id).await.unwrap();
    assert!(orders::give_up(&app.desk, 999_999_999).await.unwrap().is_none());
    nothing_is_paid(&app).await;
    app.stop().await;
}
