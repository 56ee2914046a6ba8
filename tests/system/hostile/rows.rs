//! Rows without money: whatever an account does without paying for it leaves a bounded number of rows.

#![expect(clippy::print_stdout, reason = "how long calls took is what a run shows")]

use std::time::Duration;

use serde_json::{Value, json};
use tollgate::accounts::ops::AccountChange;
use tollgate::app::pruning;
use tollgate::config::{Config, Limits};
use tollgate::store::Store;
use tollgate::store::expired::Expired;

use crate::api::sms::messages::{post_with_key, purses, until_nothing_is_held};
use crate::app::TestApp;
use crate::app::book::number;
use crate::app::database::{Database, on_both};
use crate::app::decks::{BERLIN, GERMAN_MOBILE, MESSAGES};
use crate::app::house::money;
use crate::app::http::Script;
use crate::app::phone::End;

const SMS: &str = "sms-api";
const CLIENT: &str = "client-api";
const RESELLER: &str = "reseller-api";
const TOMORROW: &str = "2026-11-22 12:00:00";
const DAY_MS: u32 = 86_400_000;
/// Longer than rows are too young to be deleted.
const SIX_MINUTES_MS: u32 = 360_000;

/// The usual house, which sells messages over a simulator, with these limits.
async fn house(database: Database, limits: Limits) -> TestApp {
    let text =
        "[[sms.provider]]\nname = 'cryptosms'\nkind = 'simulator'\nlatency_ms = 20\nrate_per_second = 1000\n";
    let sms = Config::from_text(text, []).unwrap().sms;
    let app = TestApp::on(database, |config| {
        config.sms = sms;
        config.limits = limits;
    })
    .await;
    app.furnish().await;
    app.sell_messages("wholesale", "messages", MESSAGES).await;
    app
}

/// Numbers that messages have a price for, and numbers that they have none for.
fn numbers(priced: usize, unpriced: usize) -> Vec<String> {
    let priced = (0..priced).map(|place| format!("+4915{place:06}9999"));
    priced.chain((0..unpriced).map(|place| format!("+9991{place:06}"))).collect()
}

/// Messages, campaigns, holds and kept answers.
async fn rows(store: &Store) -> [i64; 4] {
    [
        number(store, "SELECT COUNT(*) FROM sms_messages").await,
        number(store, "SELECT COUNT(*) FROM sms_campaigns").await,
        number(store, "SELECT COUNT(*) FROM held_credit").await,
        number(store, "SELECT COUNT(*) FROM idempotent_answers").await,
    ]
}

async fn campaign(script: &Script) -> Value {
    script.read(SMS, "campaigns&limit=1").await.ok()["campaigns"][0].clone()
}

async fn schedule(script: &Script) -> i64 {
    let body = json!({"phone": format!("+{GERMAN_MOBILE}"), "message": "Hi", "scheduled_at": TOMORROW});
    script.write(SMS, "schedule", &body).await.ok()["scheduled_sms_id"].as_i64().unwrap()
}

async fn cancel(script: &Script, id: i64) {
    script.write(SMS, "cancel-scheduled", &json!({"scheduled_sms_id": id})).await.ok();
}

on_both!(a_campaign_that_is_refused_for_its_cost_has_written_nothing, database => {
    let app = house(database, Limits::default()).await;
    let alice = app.script("alice").await;
    // There is enough credit, but not for one day: only the taking of the hold says so.
    app.set("alice", AccountChange { daily_spend: Some(Some(money("1"))), ..AccountChange::default() }).await;
    let is_sqlite = !app.services.store.is_postgres();
    let pages = async || if is_sqlite { number(&app.services.store, "PRAGMA page_count").await } else { 0 };
    let before = pages().await;
    let body = json!({"phones": numbers(2_000, 0), "message": "Hi"});
    for key in ["one", "two"] {
        let refused = post_with_key(&alice, "bulk", key, &body).await;
        assert!(matches!(refused.status, 402 | 422), "{refused:?}");
    }
    assert_eq!(rows(&app.services.store).await, [0; 4]);
    // 2,000 messages that were written and deleted again would have left some 200 pages.
    let grown = pages().await - before;
    assert!(grown < 30, "the file grew by {grown} pages");
    assert_eq!(purses(&app).await, ["100", "0", "100", "0"]);
    app.assert_right().await;
    app.stop().await;
});

on_both!(numbers_without_a_price_are_counted_and_not_stored, database => {
    let app = house(database, Limits { kept_unsent_messages: 0, kept_campaigns: 0, ..Limits::default() }).await;
    let alice = app.script("alice").await;
    let body = json!({"phones": numbers(1, 9_999), "message": "Hi", "scheduled_at": TOMORROW});
    let taken = alice.write(SMS, "bulk", &body).await.ok();
    assert_eq!((&taken["recipients_queued"], &taken["recipients_rejected"]), (&json!(1), &json!(9_999)));
    assert_eq!((taken["rejected"].as_array().unwrap().len(), &taken["cost"]), (100, &json!("0.03996")));
    assert_eq!(rows(&app.services.store).await, [1, 1, 2, 0]);
    let counts = |it: &Value| ["recipients", "failed", "cancelled"].map(|name| it[name].as_i64().unwrap());
    assert_eq!(counts(&campaign(&alice).await), [10_000, 9_999, 0]);
    app.assert_right().await;
    let named = json!({"campaign_id": taken["campaign_id"]});
    assert_eq!(alice.write(SMS, "cancel-campaign", &named).await.ok()["recipients_cancelled"], 1);
    assert_eq!(counts(&campaign(&alice).await), [10_000, 9_999, 1]);
    app.assert_right().await;
    app.advance_ms(SIX_MINUTES_MS).await;
    let pruned = app.messaging.prune_once().await.unwrap();
    assert_eq!((pruned.messages, pruned.campaigns), (1, 1));
    assert_eq!(rows(&app.services.store).await, [0; 4]);
    app.assert_right().await;
    app.stop().await;
});

// Each campaign costs one message, and there is credit for one message: what is not paid is not written.
on_both!(of_three_campaigns_at_once_that_share_credit_for_one_one_is_written, database => {
    let app = house(database, Limits::default()).await;
    let alice = app.script("alice").await;
    app.leave("alice", "0.05").await;
    let body = json!({"phones": numbers(1, 5_000), "message": "Hi", "scheduled_at": TOMORROW});
    let ask = || alice.write(SMS, "bulk", &body);
    let (one, two, three) = tokio::join!(ask(), ask(), ask());
    let mut statuses = [one.status, two.status, three.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 402, 402]);
    assert_eq!(rows(&app.services.store).await, [1, 1, 2, 0]);
    assert_eq!(app.held("alice").await, "0.03996");
    app.assert_right().await;
    app.stop().await;
});

on_both!(cancelled_and_refused_messages_are_deleted_in_time_and_charged_ones_stay, database => {
    let app = house(database, Limits { kept_unsent_days: 1, ..Limits::default() }).await;
    let alice = app.script("alice").await;
    // Two are delivered, one is refused, one has no price.
    let phones = json!(["+4915112341111", "+4915112342222", "+4915112340001", "+999123456"]);
    alice.write(SMS, "bulk", &json!({"phones": phones, "message": "all"})).await.ok();
    let refused = json!({"phone": "+4915112350001", "message": "Hi"});
    assert_eq!(alice.write(SMS, "send", &refused).await.refused(422), "provider_refused");
    until_nothing_is_held(&app).await;
    let sent = campaign(&alice).await;
    let later = json!({"phones": numbers(250, 0), "message": "later", "scheduled_at": TOMORROW});
    let later = alice.write(SMS, "bulk", &later).await.ok()["campaign_id"].clone();
    alice.write(SMS, "cancel-campaign", &json!({"campaign_id": later})).await.ok();
    for _ in 0..3 {
        cancel(&alice, schedule(&alice).await).await;
    }
    assert_eq!(rows(&app.services.store).await, [3 + 1 + 250 + 3, 2, 0, 0]);
    assert_eq!(app.messaging.prune_once().await.unwrap().messages, 0, "none is old");
    let money = purses(&app).await;
    app.assert_right().await;

    app.advance_ms(DAY_MS + SIX_MINUTES_MS).await;
    app.messaging.prune_once().await.unwrap();
    assert_eq!(rows(&app.services.store).await, [2, 1, 0, 0]);
    assert_eq!(purses(&app).await, money);
    let counted = ["campaign_id", "status", "recipients", "sent", "failed", "cancelled", "cost"];
    let now = campaign(&alice).await;
    assert_eq!(counted.map(|name| now[name].clone()), counted.map(|name| sent[name].clone()));
    let history = alice.read(SMS, "history").await.ok();
    let costs: Vec<&Value> = history["messages"].as_array().unwrap().iter().map(|row| &row["cost"]).collect();
    assert_eq!(costs, ["0.03996", "0.03996"], "what was charged stays in the history");
    app.assert_right().await;
    app.stop().await;
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scheduling_and_cancelling_in_a_loop_leaves_a_bounded_number_of_rows() {
    let limits = Limits { kept_unsent_messages: 5, kept_campaigns: 2, ..Limits::default() };
    let app = house(Database::sqlite(), limits).await;
    let alice = app.script("alice").await;
    for _ in 0..20 {
        cancel(&alice, schedule(&alice).await).await;
    }
    for _ in 0..5 {
        let body = json!({"phones": numbers(1, 1), "message": "Hi", "scheduled_at": TOMORROW});
        let id = alice.write(SMS, "bulk", &body).await.ok()["campaign_id"].clone();
        alice.write(SMS, "cancel-campaign", &json!({"campaign_id": id})).await.ok();
    }
    let waiting = schedule(&alice).await;
    app.advance_ms(SIX_MINUTES_MS).await;
    app.messaging.prune_once().await.unwrap();
    app.messaging.prune_once().await.unwrap();
    let [messages, campaigns, ..] = rows(&app.services.store).await;
    assert_eq!(messages, 5 + 1, "and the one that waits");
    assert!(campaigns <= 5, "{campaigns}");
    cancel(&alice, waiting).await;
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_nobody_paid_for_are_bounded_for_an_account_and_for_a_resellers_tree() {
    let limits = Limits {
        unsent_messages: 10,
        unsent_messages_per_reseller: 15,
        kept_unsent_messages: 0,
        ..Limits::default()
    };
    let app = house(Database::sqlite(), limits).await;
    app.client("bob", Some("acme"), "retail").await;
    app.credit("bob", "100").await;
    let (alice, bob) = (app.script("alice").await, app.script("bob").await);
    let bulk = async |script: &Script, priced| {
        let body = json!({"phones": numbers(priced, 0), "message": "Hi", "scheduled_at": TOMORROW});
        script.write(SMS, "bulk", &body).await
    };
    assert_eq!(bulk(&alice, 11).await.refused(429), "too_many_unsent");
    assert_eq!(rows(&app.services.store).await, [0; 4]);
    let taken = bulk(&alice, 9).await.ok();
    schedule(&alice).await;
    let one = json!({"phone": format!("+{GERMAN_MOBILE}"), "message": "Hi", "scheduled_at": TOMORROW});
    let refused = alice.write(SMS, "schedule", &one).await;
    assert_eq!(refused.refused(429), "too_many_unsent");
    assert!(refused.headers.contains_key("retry-after"), "{refused:?}");
    assert_eq!(bulk(&bob, 6).await.refused(429), "too_many_unsent", "16 below the reseller");
    bulk(&bob, 5).await.ok();
    // Cancelled ones are counted until they are deleted: a loop does not outrun the deletion.
    alice.write(SMS, "cancel-campaign", &json!({"campaign_id": taken["campaign_id"]})).await.ok();
    assert_eq!(bulk(&alice, 1).await.refused(429), "too_many_unsent");
    app.advance_ms(SIX_MINUTES_MS).await;
    app.messaging.prune_once().await.unwrap();
    bulk(&alice, 9).await.ok();
    assert_eq!(bulk(&alice, 1).await.refused(429), "too_many_unsent");
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_were_sent_make_room_for_others() {
    let app = house(Database::sqlite(), Limits { unsent_messages: 3, ..Limits::default() }).await;
    let alice = app.script("alice").await;
    for _ in 0..8 {
        let body = json!({"phone": format!("+{GERMAN_MOBILE}"), "message": "Hi"});
        alice.write(SMS, "send", &body).await.ok();
    }
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test]
async fn changes_that_cost_nothing_have_a_budget_and_what_is_paid_or_only_read_has_none() {
    // A quarter of a minute's changes at once; slow enough that none comes back within the test.
    let limits = Limits { changes_per_minute: 4, ..Limits::default() };
    let app = house(Database::sqlite(), limits).await;
    app.client("bob", Some("acme"), "retail").await;
    let (alice, bob) = (app.script("alice").await, app.script("bob").await);
    let feed = async || number(&app.services.store, "SELECT COUNT(*) FROM feed").await;
    let before = feed().await;
    let (mut made, mut refused) = (0, 0);
    for turn in 0..15 {
        let changed = if turn % 2 == 0 {
            alice.write(CLIENT, "add-callerid", &json!({"cid": format!("+4930{turn:06}"), "name": ""})).await
        } else {
            alice.write(CLIENT, "create-sip", &json!({})).await
        };
        if changed.status == 200 {
            made += 1;
        } else {
            assert_eq!(changed.refused(429), "too_many_changes");
            assert!(changed.headers.contains_key("retry-after"), "{changed:?}");
            refused += 1;
        }
    }
    assert!(made >= 1 && refused >= 8, "{made} made, {refused} refused");
    let after = feed().await;
    assert!(after - before <= 3 * made, "{} rows of the feed", after - before);
    let body = json!({"phone": format!("+{GERMAN_MOBILE}"), "message": "Hi"});
    for _ in 0..10 {
        alice.write(SMS, "send", &body).await.ok();
        alice.read(CLIENT, "balance").await.ok();
    }
    bob.write(CLIENT, "create-sip", &json!({})).await.ok();
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test]
async fn a_resellers_clients_are_bounded_in_number_and_in_rate() {
    let app = house(Database::sqlite(), Limits { clients_per_reseller: 3, ..Limits::default() }).await;
    let plan_id = app.owned_plan("acme", "agents", |_| {}).await;
    let acme = app.script("acme").await;
    let accounts = async || number(&app.services.store, "SELECT COUNT(*) FROM accounts").await;
    let create = async || acme.write(RESELLER, "create-client", &json!({"plan_id": plan_id})).await;
    // The house has one already.
    for _ in 0..2 {
        create().await.ok();
    }
    let before = accounts().await;
    assert_eq!(create().await.refused(409), "too_many_clients");
    assert_eq!(accounts().await, before);
    app.stop().await;

    let app = house(Database::sqlite(), Limits { new_clients_per_hour: 8, ..Limits::default() }).await;
    let plan_id = app.owned_plan("acme", "agents", |_| {}).await;
    let acme = app.script("acme").await;
    let create = async || acme.write(RESELLER, "create-client", &json!({"plan_id": plan_id})).await;
    for _ in 0..2 {
        create().await.ok();
    }
    let refused = create().await;
    assert_eq!(refused.refused(429), "too_many_changes");
    assert!(
        refused.json()["error"].as_str().unwrap().contains("at most 8 new clients an hour"),
        "{refused:?}"
    );
    app.stop().await;
}

#[tokio::test]
async fn failed_transfers_and_open_payments_are_bounded_and_deleted_in_time() {
    let limits = Limits { kept_failures_per_reseller: 3, ..Limits::default() };
    let app = house(Database::sqlite(), limits).await;
    let acme = app.script("acme").await;
    let count = async |query| number(&app.services.store, query).await;
    let transfer =
        |login: &str, name: usize| json!({"login": login, "amount": 1, "external_id": format!("t{name}")});
    acme.write(RESELLER, "transfer", &transfer("alice", 0)).await.ok();
    for name in 1..8 {
        assert_eq!(acme.write(RESELLER, "transfer", &transfer("nobody", name)).await.status, 404);
    }
    assert_eq!(count("SELECT COUNT(*) FROM transfers WHERE status = 'failed'").await, 3);
    let payment = |name: usize, status: &str| {
        json!({"login": "alice", "amount": 5, "currency": "EUR", "provider": "mollie",
               "external_id": format!("p{name}"), "provider_txid": format!("x{name}"), "status": status})
    };
    for name in 0..3 {
        acme.write(RESELLER, "register-agent-payment", &payment(name, "open")).await.ok();
    }
    let refused = acme.write(RESELLER, "register-agent-payment", &payment(3, "open")).await;
    assert_eq!(refused.refused(409), "too_many_open_payments");
    // One that is credited is paid for, and makes room.
    acme.write(RESELLER, "register-agent-payment", &payment(0, "paid")).await.ok();
    acme.write(RESELLER, "register-agent-payment", &payment(3, "open")).await.ok();
    let balance = app.balance("alice").await;
    for _ in 0..91 {
        app.clock.advance_ms(DAY_MS);
    }
    app.until_admitting().await;
    for expired in Expired::ALL {
        pruning::prune_once(&app.services, expired).await.unwrap();
    }
    assert_eq!(count("SELECT COUNT(*) FROM transfers").await, 1, "the one that gave credit");
    assert_eq!(count("SELECT COUNT(*) FROM payments").await, 1, "the one that was credited");
    assert_eq!(count("SELECT COUNT(*) FROM feed").await, 0);
    assert_eq!(app.balance("alice").await, balance);
    app.assert_right().await;
    app.stop().await;
}

on_both!(answers_to_repeated_requests_are_kept_for_a_week, database => {
    let app = house(database, Limits::default()).await;
    let alice = app.script("alice").await;
    let body = json!({"phone": format!("+{GERMAN_MOBILE}"), "message": "Hi"});
    let first = post_with_key(&alice, "send", "once", &body).await.ok();
    for _ in 0..6 {
        app.clock.advance_ms(DAY_MS);
    }
    app.until_admitting().await;
    assert_eq!(pruning::prune_once(&app.services, Expired::IdempotentAnswers).await.unwrap(), 0);
    assert_eq!(post_with_key(&alice, "send", "once", &body).await.ok()["sms_id"], first["sms_id"]);
    for _ in 0..2 {
        app.clock.advance_ms(DAY_MS);
    }
    app.until_admitting().await;
    assert_eq!(pruning::prune_once(&app.services, Expired::IdempotentAnswers).await.unwrap(), 1);
    assert_eq!(rows(&app.services.store).await[3], 0);
    app.stop().await;
});

#[tokio::test]
async fn messages_without_a_price_above_zero_take_from_the_budget_of_changes() {
    let app = house(Database::sqlite(), Limits { changes_per_minute: 4, ..Limits::default() }).await;
    app.sell_messages("wholesale", "free", "prefix,price,destination\n49,0,Germany\n").await;
    let alice = app.script("alice").await;
    let body = json!({"phone": format!("+{GERMAN_MOBILE}"), "message": "Hi"});
    assert_eq!(alice.write(SMS, "send", &body).await.ok()["cost"], "0.0000");
    assert_eq!(alice.write(SMS, "send", &body).await.refused(429), "too_many_changes");
    let mut later = body;
    later["scheduled_at"] = TOMORROW.into();
    assert_eq!(alice.write(SMS, "schedule", &later).await.refused(429), "too_many_changes");
    assert_eq!(rows(&app.services.store).await, [1, 0, 0, 0]);
    app.assert_right().await;
    app.stop().await;
}

/// The slowest of calls that are made and settled one after another, until `is_over`.
async fn slowest_call(app: &TestApp, mut is_over: impl FnMut(usize) -> bool) -> (usize, Duration) {
    let (mut calls, mut slowest) = (0, Duration::ZERO);
    while !is_over(calls) {
        let begun = std::time::Instant::now();
        let granted = app.dial("alice", BERLIN).await.allowed();
        assert!(app.end(&granted, &End::busy()).await);
        slowest = slowest.max(begun.elapsed());
        calls += 1;
    }
    (calls, slowest)
}

on_both!(calls_are_settled_while_thousands_of_cancelled_messages_are_deleted, database => {
    let app = house(database, Limits { kept_unsent_messages: 0, ..Limits::default() }).await;
    app.leave("alice", "1000").await;
    app.leave("acme", "1000").await;
    let alice = app.script("alice").await;
    let body = json!({"phones": numbers(4_000, 0), "message": "Hi", "scheduled_at": TOMORROW});
    let id = alice.write(SMS, "bulk", &body).await.ok()["campaign_id"].clone();
    alice.write(SMS, "cancel-campaign", &json!({"campaign_id": id})).await.ok();
    app.advance_ms(SIX_MINUTES_MS).await;
    let (_, alone) = slowest_call(&app, |calls| calls == 20).await;
    let messaging = std::sync::Arc::clone(&app.messaging);
    let pruning = tokio::spawn(async move { messaging.prune_once().await.unwrap() });
    let (calls, beside) = slowest_call(&app, |_| pruning.is_finished()).await;
    let pruned = pruning.await.unwrap();
    println!("{} messages deleted beside {calls} calls: slowest {beside:?}, alone {alone:?}", pruned.messages);
    assert_eq!(rows(&app.services.store).await[0], 0);
    assert!(calls >= 5, "{calls} calls were settled meanwhile");
    app.assert_right().await;
    app.stop().await;
});
