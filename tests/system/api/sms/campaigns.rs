//! Campaigns: counts, holds and charges, up to the maximum number of recipients.

use std::time::Duration;

use serde_json::{Value, json};

use crate::api::sms::messages::{house_on, purses, refusal, until_nothing_is_held};
use crate::app::database::{Database, on_both};
use crate::app::decks::{NOWHERE, SATELLITE};
use crate::app::http::Script;

const API: &str = "sms-api";
const TOMORROW: &str = "2026-11-22 12:00:00";
/// The most recipients of a campaign.
const MOST: usize = 100_000;
/// As many as a debug build takes in a few seconds.
const MANY: usize = 20_000;

/// So many numbers that the simulator delivers to.
fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|place| format!("+4915{place:06}9999")).collect()
}

/// The campaign as the list shows it, the newest first.
async fn newest(script: &Script) -> Value {
    script.read(API, "campaigns&limit=1").await.ok()["campaigns"][0].clone()
}

/// Numbers of a campaign's row.
fn counts(campaign: &Value) -> [i64; 6] {
    ["recipients", "sent", "delivered", "failed", "unknown", "cancelled"]
        .map(|name| campaign[name].as_i64().unwrap_or_else(|| panic!("{name} of {campaign}")))
}

/// Waits until the newest campaign is as it is wanted.
async fn until(script: &Script, wanted: impl Fn(&Value) -> bool) -> Value {
    let mut campaign = Value::Null;
    for _ in 0..600 {
        campaign = newest(script).await;
        if wanted(&campaign) {
            return campaign;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not within 30 s: {campaign}");
}

on_both!(a_campaign_is_held_as_a_whole_and_charged_by_message, database => {
    let app = house_on(database, "", 1_000).await;
    let alice = app.script("alice").await;
    let body = json!({
        "phones": [
            "+4915112341111", "+4915112342222", "4915112341111", "+4915112340001", "+4915112340002",
            "+4915112340005", NOWHERE, SATELLITE,
        ],
        "message": "To you all", "provider": "cryptosms", "sender_id": "MyBrand",
        "scheduled_at": "2026-11-21 12:00:30",
    });
    let taken = alice.write(API, "bulk", &body).await.ok();
    let number = |name: &str| taken[name].as_i64().unwrap();
    assert_eq!(["recipients_queued", "duplicates", "recipients_rejected", "segments"].map(number), [5, 1, 2, 1]);
    assert_eq!((&taken["status"], &taken["cost"]), (&json!("QUEUED"), &json!("0.1998")));
    assert_eq!(taken["server_utc_offset"], "+00:00");
    let rejected: Vec<(&str, bool)> = taken["rejected"].as_array().unwrap().iter().map(|row| {
        (row["phone"].as_str().unwrap(), row["reason"].as_str().unwrap().is_empty())
    }).collect();
    assert_eq!(rejected, [("+999123456", false), ("+88213123456", false)]);
    assert_eq!(purses(&app).await, ["100", "0.1998", "100", "0.1665"]);
    let campaign = newest(&alice).await;
    assert_eq!((&campaign["status"], counts(&campaign)), (&json!("QUEUED"), [7, 0, 0, 2, 0, 0]));
    assert_eq!((&campaign["campaign_id"], &campaign["cost"]), (&taken["campaign_id"], &json!("0.0000")));
    assert_eq!(campaign["message"], "To you all");

    app.advance_ms(31_000).await;
    // Refused, and one that fails later; one that perhaps was sent.
    let campaign = until(&alice, |it| it["status"] == "COMPLETED" && it["delivered"] == 2 && it["failed"] == 4).await;
    assert_eq!(counts(&campaign), [7, 3, 2, 4, 1, 0], "{campaign}");
    assert_eq!(campaign["cost"], "0.15984");
    until_nothing_is_held(&app).await;
    assert_eq!(purses(&app).await, ["99.84016", "0", "99.8668", "0"]);
    let late = refusal(&alice.write(API, "cancel-campaign", &json!({"campaign_id": campaign["campaign_id"]})).await);
    assert_eq!((late.0, late.1.as_str()), (409, "too_late"));

    let history = alice.read(API, "history").await.ok();
    assert_eq!(history["total"], 5, "numbers without a price have no message");
    let row = |phone: &str| {
        let rows = history["messages"].as_array().unwrap();
        rows.iter().find(|row| row["phone"] == phone).unwrap_or_else(|| panic!("{phone} in {history}")).clone()
    };
    for (phone, status, cost) in [
        ("+4915112341111", "DELIVERED", "0.03996"),
        ("+4915112340001", "REJECTED", "0.0000"),
        ("+4915112340002", "FAILED", "0.03996"),
        ("+4915112340005", "UNKNOWN", "0.03996"),
    ] {
        let row = row(phone);
        assert_eq!((&row["status"], &row["cost"]), (&json!(status), &json!(cost)), "{row}");
        assert_eq!((&row["message"], &row["campaign_id"]), (&json!("To you all"), &taken["campaign_id"]), "{row}");
    }
    app.assert_right().await;
    app.stop().await;
});

on_both!(cancelling_a_running_campaign_releases_the_hold_of_unsent_messages, database => {
    let app = house_on(database, "", 40).await;
    let (alice, acme) = (app.script("alice").await, app.script("acme").await);
    let body = json!({"phones": numbers(200), "message": "Hi", "client_login": "alice"});
    let taken = acme.write(API, "bulk", &body).await.ok();
    assert_eq!((&taken["recipients_queued"], &taken["scheduled_at"]), (&json!(200), &Value::Null));
    let running = until(&alice, |it| it["sent"].as_i64() > Some(10)).await;
    assert_eq!(running["status"], "RUNNING", "{running}");
    let named = json!({"campaign_id": taken["campaign_id"]});
    let done = alice.write(API, "cancel-campaign", &named).await.ok();
    let called_back = done["recipients_cancelled"].as_i64().unwrap();
    assert_eq!((&done["status"], &done["campaign_id"]), (&json!("CANCELLED"), &taken["campaign_id"]));
    let is_over = |it: &Value| {
        let [recipients, sent, delivered, _, _, cancelled] = counts(it);
        sent + cancelled == recipients && sent == delivered
    };
    let campaign = until(&alice, is_over).await;
    let [_, sent, _, failed, unknown, cancelled] = counts(&campaign);
    assert_eq!((&campaign["status"], cancelled, failed, unknown), (&json!("CANCELLED"), called_back, 0, 0));
    assert!(sent > 10 && called_back > 50, "{campaign}");
    until_nothing_is_held(&app).await;
    let left = |each: i64| tollgate_rating::Money::from_nanos(100_000_000_000 - sent * each).to_string();
    assert_eq!(purses(&app).await, [left(39_960_000), "0".to_owned(), left(33_300_000), "0".to_owned()]);
    assert_eq!(alice.write(API, "cancel-campaign", &named).await.refused(409), "too_late");
    app.assert_right().await;
    app.stop().await;
});

#[tokio::test]
async fn a_campaign_beyond_the_credit_is_refused_as_a_whole() {
    let app = house_on(Database::sqlite(), "", 1_000).await;
    let (alice, acme) = (app.script("alice").await, app.script("acme").await);
    app.leave("alice", "0.07").await;
    let body = json!({"phones": numbers(2), "message": "Hi"});
    assert_eq!(alice.write(API, "bulk", &body).await.refused(402), "no_credit");
    app.leave("alice", "1").await;
    app.leave("acme", "0.05").await;
    let mut clients = body.clone();
    clients["client_login"] = "alice".into();
    assert_eq!(acme.write(API, "bulk", &clients).await.refused(402), "no_wholesale_credit");
    let told = refusal(&alice.write(API, "bulk", &body).await);
    assert_eq!((told.0, told.1.as_str()), (422, "unavailable"));
    assert_eq!(purses(&app).await, ["1", "0", "0.05", "0"]);
    assert_eq!(alice.read(API, "campaigns").await.ok()["total"], 0);
    assert_eq!(alice.read(API, "history").await.ok()["total"], 0);
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test]
async fn a_refused_campaign_names_the_field() {
    let app = house_on(Database::sqlite(), "", 1_000).await;
    let alice = app.script("alice").await;
    let good = "+4915112345678";
    for (body, status, code, field) in [
        (json!({"message": "Hi"}), 400, "bad_request", "phones"),
        (json!({"phones": [], "message": "Hi"}), 400, "bad_request", "phones"),
        (json!({"phones": good, "message": "Hi"}), 400, "bad_request", "phones"),
        (json!({"phones": [good, "0151"], "message": "Hi"}), 400, "bad_request", "phones[1]"),
        (json!({"phones": vec!["1"; MOST + 1], "message": "Hi"}), 400, "bad_request", "phones"),
        (json!({"phones": [good], "message": ""}), 400, "bad_request", "message"),
        (json!({"phones": [good], "message": "Hi", "sender_id": "!"}), 400, "bad_request", "sender_id"),
        (json!({"phones": [good], "message": "Hi", "provider": "nobody"}), 404, "not_found", "provider"),
        (
            json!({"phones": [good], "message": "Hi", "scheduled_at": "2026-11-21 11:00:00"}),
            400,
            "bad_request",
            "scheduled_at",
        ),
        (json!({"phones": [good], "message": "Hi", "phone": good}), 400, "unknown_field", "phone"),
        (json!({"phones": [NOWHERE, SATELLITE], "message": "Hi"}), 422, "no_rate", "phones"),
    ] {
        let shown = body.to_string();
        let shown = &shown[..shown.len().min(100)];
        let told = refusal(&alice.write(API, "bulk", &body).await);
        assert_eq!((told.0, told.1.as_str(), told.2.as_str()), (status, code, field), "{shown}");
    }
    assert_eq!(purses(&app).await, ["100", "0", "100", "0"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_of_100000_recipients_is_accepted_and_a_larger_body_is_not_read() {
    let app = house_on(Database::sqlite(), "", 1_000).await;
    let alice = app.script("alice").await;
    app.leave("alice", "4000").await;
    app.leave("acme", "4000").await;
    let body = json!({"phones": numbers(MANY), "message": "Hi", "scheduled_at": TOMORROW});
    assert!(body.to_string().len() > 256 * 1024, "more than other requests may have");
    let taken = alice.write(API, "bulk", &body).await.ok();
    assert_eq!((&taken["recipients_queued"], &taken["cost"]), (&json!(MANY), &json!("799.2000")));
    assert_eq!(purses(&app).await, ["4000", "799.2", "4000", "666"]);
    let campaign = newest(&alice).await;
    assert_eq!(counts(&campaign)[0], i64::try_from(MANY).unwrap());
    let done = alice.write(API, "cancel-campaign", &json!({"campaign_id": taken["campaign_id"]})).await.ok();
    assert_eq!(done["recipients_cancelled"], MANY);
    assert_eq!(purses(&app).await, ["4000", "0", "4000", "0"]);

    let large = json!({"phones": ["+4915112345678"], "message": "a".repeat(4 * 1024 * 1024)});
    assert_eq!(alice.write(API, "bulk", &large).await.refused(413), "too_large");
    // Read, and refused for what it says.
    let long = json!({"phones": ["+4915112345678"], "message": "a".repeat(1024 * 1024)});
    assert_eq!(alice.write(API, "bulk", &long).await.refused(400), "bad_request");
    app.assert_right().await;
    app.stop().await;
}
