//! What the upstream does wrong, one by one: it ends in one eSIM that is paid once, or in none that is paid.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate::esim::orders;
use tollgate::store::esim_orders::EsimStatus;

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
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(shown(&alice, &order).await["status"], "PENDING");
    assert_eq!(app.held("alice").await, CLIENT_PRICE);
    app.assert_right().await;
    let id = order["order_id"].as_i64().unwrap();
    let now = app.services.store.esim_order(id).await.unwrap().unwrap();
    assert!(now.reason.unwrap().contains("900001"));
    let stuck = now.new.created_at.checked_add(jiff::SignedDuration::from_secs(1)).unwrap();
    assert_eq!(app.services.store.esim_orders_stuck(stuck).await.unwrap(), 1);
    orders::give_up(&app.esim, id).await.unwrap();
    assert_eq!(shown(&alice, &order).await["status"], "FAILED");
    let mut registry = tollgate::metrics::Registry::default();
    app.services.metrics.register(&mut registry);
    let counted = registry.encode().unwrap();
    for status in ["PENDING", "FAILED"] {
        assert!(
            counted.contains(&format!("tollgate_esim_orders_total{{status=\"{status}\"}} 1\n")),
            "{counted}"
        );
    }
    assert!(counted.contains("tollgate_esim_upstream_failures_total{kind=\"unknown\"}"), "{counted}");
    nothing_is_paid(&app).await;
    // Ending it again, or one that does not exist, changes nothing.
    orders::give_up(&app.esim, id).await.unwrap();
    assert!(orders::give_up(&app.esim, 999_999_999).await.unwrap().is_none());
    nothing_is_paid(&app).await;
    app.stop().await;
}

/// Waits until the reason of a pending order has this in it.
async fn wait_for_reason(app: &TestApp, order: &Value, part: &str) {
    let id = order["order_id"].as_i64().unwrap();
    for _ in 0..600 {
        let now = app.services.store.esim_order(id).await.unwrap().unwrap();
        if now.reason.as_ref().is_some_and(|reason| reason.contains(part)) {
            assert_eq!((now.status, now.tx_id), (EsimStatus::Pending, None));
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("its reason does not become {part}: {:?}", app.services.store.esim_order(id).await);
}

#[tokio::test]
async fn an_order_that_was_taken_is_paid_though_what_comes_after_its_lost_answer_is_a_refusal() {
    // At once, and while the list does not have it yet.
    for allocate_ms in [0, 3_000] {
        let upstream = Upstream::start(allocate_ms).await;
        let app = TestApp::selling(&upstream).await;
        let alice = app.script("alice").await;
        upstream.fail("esim/order", "lost_answer", 1).await;
        upstream.fail("esim/order", "no_balance", 1_000).await;
        let order = buy(&alice).await;
        wait_for(&alice, &order, "ALLOCATED").await;
        one_is_paid(&app, &upstream).await;
        app.stop().await;
    }
}

#[tokio::test]
async fn a_refusal_after_a_lost_try_ends_an_order_only_when_the_upstreams_list_proves_it_away() {
    let upstream = Upstream::start(0).await;
    let app = TestApp::selling(&upstream).await;
    let alice = app.script("alice").await;
    // Nothing was ever bought there: an empty list may be one that was asked for wrongly.
    upstream.fail("esim/order", "server_error", 1).await;
    upstream.fail("esim/order", "no_balance", 1_000).await;
    let first = buy(&alice).await;
    wait_for_reason(&app, &first, "nothing that its list could be proven by").await;
    app.advance_ms(120_000).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(shown(&alice, &first).await["status"], "PENDING");
    assert_eq!((app.balance("alice").await, app.held("alice").await), ("100".into(), CLIENT_PRICE.into()));
    app.assert_right().await;
    orders::give_up(&app.esim, first["order_id"].as_i64().unwrap()).await.unwrap();
    nothing_is_paid(&app).await;
    app.stop().await;

    let upstream = Upstream::start(0).await;
    let app = TestApp::selling(&upstream).await;
    let alice = app.script("alice").await;
    let known = buy(&alice).await;
    wait_for(&alice, &known, "ALLOCATED").await;
    upstream.fail("esim/order", "server_error", 1).await;
    upstream.fail("esim/order", "no_balance", 1_000).await;
    let lost = buy(&alice).await;
    // It may be being bought this moment.
    wait_for_reason(&app, &lost, "its list does not have it so far").await;
    app.advance_ms(60_000).await;
    wait_for(&alice, &lost, "FAILED").await;
    one_is_paid(&app, &upstream).await;
    app.stop().await;
}

#[tokio::test]
async fn what_is_anothers_is_not_sold_again() {
    for (on, part) in [("esim/order", "another order of ours"), ("esim/query", "another order's")] {
        let upstream = Upstream::start(0).await;
        let app = TestApp::selling(&upstream).await;
        let alice = app.script("alice").await;
        let first = buy(&alice).await;
        let first = wait_for(&alice, &first, "ALLOCATED").await;
        upstream.fail(on, "repeated", 3).await;
        let second = buy(&alice).await;
        wait_for_reason(&app, &second, part).await;
        let left = money("100").checked_sub(money(CLIENT_PRICE)).unwrap().to_string();
        assert_eq!((app.balance("alice").await, app.held("alice").await), (left, CLIENT_PRICE.into()));
        app.assert_right().await;
        // Told right, it is an order as any other.
        let second = wait_for(&alice, &second, "ALLOCATED").await;
        assert_ne!(first["iccid"], second["iccid"]);
        assert_eq!((app.held("alice").await, upstream.orders().len()), ("0".into(), 2));
        app.assert_right().await;
        app.stop().await;
    }
}

#[tokio::test]
async fn usage_that_is_told_late_does_not_undo_what_is_known() {
    let upstream = Upstream::start(0).await;
    let app = TestApp::selling(&upstream).await;
    let alice = app.script("alice").await;
    let order = buy(&alice).await;
    wait_for(&alice, &order, "ALLOCATED").await;
    let id = order["order_id"].as_i64().unwrap();
    let now = app.services.store.esim_order(id).await.unwrap().unwrap();
    let write = async |states| {
        let bytes = (Some(10), Some(9));
        app.services.store.esim_order_state(id, states, bytes, now.expires_at, now.updated_at).await.unwrap()
    };
    assert!(write((EsimStatus::Allocated, EsimStatus::UsedUp)).await);
    assert!(!write((EsimStatus::Allocated, EsimStatus::InUse)).await);
    assert_eq!(shown(&alice, &order).await["status"], "USED_UP");
    app.stop().await;
}
