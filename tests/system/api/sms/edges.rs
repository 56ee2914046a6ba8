//! Messages under contention: concurrent requests with little credit, repetitions, cancelling while sending, the daily
//! limit, a subaccount's wallet, and paged lists.

use futures::future::join_all;
use serde_json::{Value, json};
use tollgate::accounts::ops::AccountChange;

use crate::api::sms::messages::{
    house, house_on, message, post_with_key, purses, refusal, send, until_nothing_is_held,
};
use crate::app::TestApp;
use crate::app::database::on_both;
use crate::app::house::money;

const API: &str = "sms-api";

on_both!(concurrent_messages_never_exceed_the_credit_of_any_payer, database => {
    let app = house_on(database, "", 1_000).await;
    let alice = app.script("alice").await;
    // Three messages of the client's, seven of the reseller's; then the other way round.
    for (client, reseller, paid) in [("0.12", "0.24", 3), ("1", "0.18", 5)] {
        app.leave("alice", client).await;
        app.leave("acme", reseller).await;
        let body = json!({"phone": "+4915112345678", "message": "Hi"});
        let answers = join_all((0..10).map(|_| alice.write(API, "send", &body))).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), paid, "{statuses:?}");
        assert!(statuses.iter().all(|status| [200, 402, 422].contains(status)), "{statuses:?}");
        let left = |text: &str, each: i64| {
            let spent = tollgate_rating::Money::from_nanos(each * i64::try_from(paid).unwrap());
            money(text).checked_sub(spent).unwrap().to_string()
        };
        let wanted = [left(client, 39_960_000), "0".to_owned(), left(reseller, 33_300_000), "0".to_owned()];
        assert_eq!(purses(&app).await, wanted);
    }
    app.assert_right().await;
    app.stop().await;
});

on_both!(of_sending_and_cancelling_exactly_one_takes_effect, database => {
    let app = house_on(database, "", 1_000).await;
    let alice = app.script("alice").await;
    let mut ids = Vec::new();
    for place in 0..24 {
        let body = json!({
            "phone": format!("+49151123459{place:02}"), "message": "Hi", "scheduled_at": "2026-11-21 12:00:10",
        });
        ids.push(alice.write(API, "schedule", &body).await.ok()["scheduled_sms_id"].clone());
    }
    assert_eq!(app.held("alice").await, "0.95904");
    app.clock.advance_ms(11_000);
    let mut called_back = Vec::new();
    // Some at a time, so that some are sent meanwhile.
    for some in ids.chunks(4) {
        let asked = some.iter().map(|id| {
            let alice = alice.clone();
            async move { alice.write(API, "cancel-scheduled", &json!({"scheduled_sms_id": id})).await }
        });
        for (id, answered) in some.iter().zip(join_all(asked).await) {
            if answered.status == 200 {
                called_back.push(id.clone());
            } else {
                assert_eq!(answered.refused(409), "too_late");
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(120)).await;
    }
    app.until_admitting().await;
    until_nothing_is_held(&app).await;
    let (mut sent, mut cancelled) = (0_i64, 0);
    for row in alice.read(API, "scheduled&limit=200").await.ok()["scheduled"].as_array().unwrap() {
        if called_back.contains(&row["scheduled_sms_id"]) {
            assert_eq!((&row["status"], &row["cost"]), (&json!("CANCELLED"), &json!("0.0000")), "{row}");
            cancelled += 1;
        } else {
            assert!(row["status"] == "SENT_TO_PROVIDER" || row["status"] == "DELIVERED", "{row}");
            sent += 1;
        }
    }
    assert_eq!((sent + cancelled, cancelled), (24, i64::try_from(called_back.len()).unwrap()));
    let left = |each: i64| tollgate_rating::Money::from_nanos(100_000_000_000 - sent * each).to_string();
    assert_eq!(purses(&app).await, [left(39_960_000), "0".to_owned(), left(33_300_000), "0".to_owned()]);
    app.assert_right().await;
    app.stop().await;
});

#[tokio::test]
async fn the_daily_limit_applies_to_messages() {
    let app = house().await;
    let (alice, acme) = (app.script("alice").await, app.script("acme").await);
    let limit =
        |text: &str| AccountChange { daily_spend: Some(Some(money(text))), ..AccountChange::default() };
    let body = json!({"phone": "+4915112345678", "message": "Hi"});
    let clients = json!({"phone": "+4915112345678", "message": "Hi", "client_login": "alice"});
    app.set("alice", limit("0.05")).await;
    alice.write(API, "send", &body).await.ok();
    assert_eq!(alice.write(API, "send", &body).await.refused(422), "daily_limit");
    assert_eq!(acme.write(API, "send", &clients).await.refused(422), "daily_limit");
    app.set("alice", limit("10")).await;
    app.set("acme", limit("0.05")).await;
    // The client is told of its own limit alone.
    assert_eq!(alice.write(API, "send", &body).await.refused(422), "unavailable");
    assert_eq!(acme.write(API, "send", &clients).await.refused(422), "daily_limit");
    assert_eq!(purses(&app).await, ["99.96004", "0", "99.9667", "0"]);
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test]
async fn lists_are_paged_newest_first() {
    let app = house().await;
    let alice = app.script("alice").await;
    for text in ["one", "two", "three"] {
        let at = "2026-11-22 12:00:00";
        let phone = "+4915112345678";
        alice.write(API, "send", &json!({"phone": phone, "message": text})).await.ok();
        alice
            .write(API, "schedule", &json!({"phone": phone, "message": text, "scheduled_at": at}))
            .await
            .ok();
        alice.write(API, "bulk", &json!({"phones": [phone], "message": text, "scheduled_at": at})).await.ok();
    }
    // What waits for its own time is in the list of such, and in no history yet.
    for (endpoint, rows, total) in
        [("scheduled", "scheduled", 3), ("campaigns", "campaigns", 3), ("history", "messages", 6)]
    {
        let texts = |page: &Value| -> Vec<String> {
            page[rows]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row["message"].as_str().unwrap().to_owned())
                .collect()
        };
        let all = alice.read(API, &format!("{endpoint}&limit=500")).await.ok();
        assert_eq!(
            (&all["limit"], &all["offset"], &all["total"]),
            (&json!(200), &json!(0), &json!(total)),
            "{endpoint}"
        );
        let (first, last) = (texts(&all)[0].clone(), texts(&all).pop().unwrap());
        assert_eq!((first.as_str(), last.as_str()), ("three", "one"), "{endpoint}");
        let page = alice.read(API, &format!("{endpoint}&limit=1&offset=1")).await.ok();
        assert_eq!(
            (texts(&page), &page["total"]),
            (vec![texts(&all)[1].clone()], &json!(total)),
            "{endpoint}"
        );
        let beyond = alice.read(API, &format!("{endpoint}&offset=1000")).await.ok();
        assert_eq!((texts(&beyond).len(), &beyond["total"]), (0, &json!(total)), "{endpoint}");
        for (parameters, field) in [("&limit=0", "limit"), ("&limit=many", "limit"), ("&offset=-1", "offset")]
        {
            let told = refusal(&alice.read(API, &format!("{endpoint}{parameters}")).await);
            assert_eq!((told.0, told.2.as_str()), (400, field), "{endpoint}{parameters}");
        }
    }
    for id in ["", "x", "1.5", "99999999999999999999"] {
        let told = refusal(&alice.read(API, &format!("status&id={id}")).await);
        assert_eq!((told.0, told.2.as_str()), (400, "id"), "{id}");
    }
    app.stop().await;
}

on_both!(a_repeated_request_with_an_idempotency_key_sends_and_charges_once, database => {
    let app = house_on(database, "", 1_000).await;
    let alice = app.script("alice").await;
    let at = "2026-11-22 12:00:00";
    for (endpoint, body) in [
        ("send", message(&json!({}))),
        ("schedule", message(&json!({"scheduled_at": at}))),
        ("bulk", json!({"phones": ["+4915112345678", "+4915112345679"], "message": "Hi", "scheduled_at": at})),
    ] {
        let first = post_with_key(&alice, endpoint, endpoint, &body).await.ok();
        let before = purses(&app).await;
        // At once and one after the other.
        let (one, other) = tokio::join!(
            post_with_key(&alice, endpoint, endpoint, &body),
            post_with_key(&alice, endpoint, endpoint, &body)
        );
        assert_eq!((&one.ok(), &other.ok()), (&first, &first), "{endpoint}");
        let mut another = body.clone();
        another["message"] = "Another".into();
        let taken = post_with_key(&alice, endpoint, endpoint, &another).await;
        assert_eq!(taken.refused(409), "idempotency_key_taken", "{endpoint}");
        assert_eq!(purses(&app).await, before, "{endpoint}");
    }
    assert_eq!(purses(&app).await, ["99.96004", "0.11988", "99.9667", "0.0999"]);
    let total = async |endpoint: &str| alice.read(API, endpoint).await.ok()["total"].as_i64();
    assert_eq!([total("scheduled").await, total("campaigns").await], [Some(1), Some(1)]);

    // Where it was refused the key stays free.
    app.leave("alice", "0.12").await;
    let body = message(&json!({"phone": "+447712345678"}));
    assert_eq!(post_with_key(&alice, "send", "poor", &body).await.refused(402), "no_credit");
    app.leave("alice", "10").await;
    assert_eq!(post_with_key(&alice, "send", "poor", &body).await.ok()["balance_after"], "9.9520");
    app.assert_right().await;
    app.stop().await;
});

#[tokio::test]
async fn a_subaccount_sends_from_its_own_wallet() {
    let app = house().await;
    let alice = app.script("alice").await;
    let made =
        alice.post("/api/subaccounts?action=create", &json!({"name": "S", "email": "s@example.com"})).await;
    let id = made.ok()["subaccount"]["id"].as_str().unwrap().to_owned();
    let subaccount = app.script(&id).await;
    assert_eq!(send(&subaccount, json!({})).await.refused(402), "no_credit");
    let moved = alice.post("/api/subaccounts?action=transfer_credits", &json!({"id": id, "amount": 1})).await;
    assert_eq!(moved.ok()["success"], true);
    let sent = send(&subaccount, json!({})).await.ok();
    assert_eq!(sent["balance_after"], "0.96004");
    assert_eq!(purses(&app).await, ["99", "0", "99.9667", "0"]);
    // Neither sees the other's.
    assert_eq!(alice.read(API, &format!("status&id={}", sent["sms_id"])).await.status, 404);
    assert_eq!(alice.read(API, "history").await.ok()["total"], 0);
    assert_eq!(subaccount.read(API, "history").await.ok()["total"], 1);
    app.assert_right().await;
    app.stop().await;
}

on_both!(messages_for_a_removed_provider_are_released_after_a_day, database => {
    let app = house_on(database, "", 1_000).await;
    let alice = app.script("alice").await;
    let phones: Vec<String> = (0..3).map(|place| format!("+49151123480{place:02}")).collect();
    let single = json!({"phone": "+4915112345678", "message": "Hi", "scheduled_at": "2026-11-21 12:30:00"});
    let many = json!({"phones": phones, "message": "Hi", "scheduled_at": "2026-11-21 12:30:00"});
    let id = alice.write(API, "schedule", &single).await.ok()["scheduled_sms_id"].clone();
    alice.write(API, "bulk", &many).await.ok();
    assert_eq!(app.held("alice").await, "0.15984");
    let database = app.stop().await;

    let app = TestApp::on(database, |config| config.sms.provider.clear()).await;
    let alice = app.script("alice").await;
    assert_eq!(app.held("alice").await, "0.15984", "what is set aside is found again");
    // Half a day late: somebody may have taken the provider out by mistake.
    app.advance_ms(12 * 3_600_000).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(app.held("alice").await, "0.15984");
    app.advance_ms(13 * 3_600_000).await;
    for _ in 0..60 {
        if app.held("alice").await == "0" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    assert_eq!(purses(&app).await, ["100", "0", "100", "0"]);
    let row = alice.read(API, &format!("status&id={id}")).await.ok();
    assert_eq!((&row["status"], &row["cost"]), (&json!("REJECTED"), &json!("0.0000")), "{row}");
    assert_eq!(row["failure"], "its provider is not set up any more");
    let campaign = alice.read(API, "campaigns").await.ok()["campaigns"][0].clone();
    assert_eq!((&campaign["status"], &campaign["failed"]), (&json!("COMPLETED"), &json!(3)), "{campaign}");
    app.assert_right().await;
    app.stop().await;
});
