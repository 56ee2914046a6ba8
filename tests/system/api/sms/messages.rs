//! Single messages: refusals and their texts, charges of every payer, the outcomes of the simulator's numbers.

use serde_json::{Value, json};
use tollgate::accounts::ops::AccountChange;
use tollgate::config::Config;

use crate::app::TestApp;
use crate::app::database::{Database, on_both};
use crate::app::decks::{GERMAN_MOBILE, MESSAGES, NOWHERE, SATELLITE};
use crate::app::http::{Answered, Script};

const API: &str = "sms-api";
/// Numbers that the simulator refuses, fails to deliver to, is busy for, and does not answer about.
const REFUSED: &str = "+4915112340001";
const FAILS: &str = "+4915112340002";
const BUSY: &str = "+4915112340003";
const UNANSWERED: &str = "+4915112340004";
const LOST: &str = "+4915112340005";

/// The usual house, which sells messages over a simulator; `more` is put into `[sms]`, `pace` is messages a second.
pub(crate) async fn house_on(database: Database, more: &str, pace: u32) -> TestApp {
    let text = format!(
        "[sms]\n{more}\n[[sms.provider]]\nname = 'cryptosms'\ntitle = 'CryptoSMS'\nkind = 'simulator'\n\
         latency_ms = 20\nrate_per_second = {pace}\n"
    );
    let sms = Config::from_text(&text, []).unwrap().sms;
    let app = TestApp::on(database, |config| config.sms = sms).await;
    app.furnish().await;
    app.sell_messages("wholesale", "messages", MESSAGES).await;
    app
}

pub(crate) async fn house() -> TestApp {
    house_on(Database::sqlite(), "", 1_000).await
}

/// A good message with other fields, or without those that are null.
pub(crate) fn message(other: &Value) -> Value {
    let mut body = json!({"phone": format!("+{GERMAN_MOBILE}"), "message": "Hi"});
    for (name, value) in other.as_object().unwrap() {
        if value.is_null() {
            body.as_object_mut().unwrap().remove(name);
        } else {
            body[name] = value.clone();
        }
    }
    body
}

pub(crate) async fn send(script: &Script, other: Value) -> Answered {
    script.write(API, "send", &message(&other)).await
}

/// Status, code, field and text of a refusal.
pub(crate) fn refusal(answered: &Answered) -> (u16, String, String, String) {
    let json = answered.json();
    assert_eq!(json["success"], false, "{json}");
    let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
    (answered.status, text("code"), text("field"), text("error"))
}

/// Waits until a message's row is as it is wanted.
async fn until_row(script: &Script, id: &Value, wanted: impl Fn(&Value) -> bool) -> Value {
    let mut row = Value::Null;
    for _ in 0..800 {
        row = script.read(API, &format!("status&id={id}")).await.ok();
        if wanted(&row) {
            return row;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("not within 40 s: {row}");
}

/// Moves the clock on until a message that its provider does not accept is given up; its row. An attempt that was under way
/// when the clock moved may be rescheduled from then.
async fn until_given_up(app: &TestApp, script: &Script, id: &Value) -> Value {
    for _ in 0..20 {
        app.advance_ms(60_000).await;
        for _ in 0..60 {
            let row = script.read(API, &format!("status&id={id}")).await.ok();
            if row["status"] == "FAILED" {
                return row;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
    panic!("message {id} was not given up within 20 minutes of the clock");
}

/// Waits until a message is in this state; its row.
async fn until(script: &Script, id: &Value, state: &str) -> Value {
    until_row(script, id, |row| row["status"] == state).await
}

/// Waits until nothing is set aside for alice and acme any more.
pub(crate) async fn until_nothing_is_held(app: &TestApp) {
    for _ in 0..200 {
        if app.held("alice").await == "0" && app.held("acme").await == "0" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("something is still set aside: {:?}", purses(app).await);
}

/// The same post with an `Idempotency-Key`.
pub(crate) async fn post_with_key(script: &Script, endpoint: &str, key: &str, body: &Value) -> Answered {
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", key)];
    let path = format!("/{API}/v1/{endpoint}");
    script.ask(hyper::Method::POST, &path, &headers, body.to_string()).await
}

/// Balance and held credit of alice and acme.
pub(crate) async fn purses(app: &TestApp) -> [String; 4] {
    [app.balance("alice").await, app.held("alice").await, app.balance("acme").await, app.held("acme").await]
}

#[tokio::test]
async fn a_refused_message_names_field_and_reason_and_costs_nothing() {
    let app = house().await;
    let alice = app.script("alice").await;
    let long = "a".repeat(10 * 153 + 1);
    for (other, status, code, field, reason) in [
        (json!({"phone": "+0301234567"}), 400, "bad_request", "phone", "international number"),
        (json!({"phone": "4915"}), 400, "bad_request", "phone", "international number"),
        (json!({"phone": "+49 151 12345678"}), 400, "bad_request", "phone", "international number"),
        (json!({"phone": null}), 400, "bad_request", "phone", ""),
        (json!({"phone": 4_915_112_345_678_i64}), 400, "bad_request", "phone", ""),
        (json!({"message": ""}), 400, "bad_request", "message", "empty"),
        (json!({"message": null}), 400, "bad_request", "message", ""),
        (json!({"message": long}), 400, "bad_request", "message", "longer than 10 segments"),
        (json!({"message": "я".repeat(671)}), 400, "bad_request", "message", "longer than 10 segments"),
        (json!({"message": "a\u{0}b"}), 400, "bad_request", "message", "U+0000"),
        (json!({"sender_id": "NameTooLong1"}), 400, "bad_request", "sender_id", "1 to 11 letters"),
        (json!({"sender_id": "Бренд"}), 400, "bad_request", "sender_id", "1 to 11 letters"),
        (json!({"sender_id": ""}), 400, "bad_request", "sender_id", "1 to 11 letters"),
        (json!({"provider": "nobody"}), 404, "not_found", "provider", "provider not found"),
        (json!({"provider": ""}), 404, "not_found", "provider", "provider not found"),
        (json!({"phone": NOWHERE}), 422, "no_rate", "phone", "phone"),
        (json!({"phone": SATELLITE}), 422, "blocked", "phone", "blocked"),
        (json!({"text": "Hi"}), 400, "unknown_field", "text", "text"),
        (
            json!({"scheduled_at": "2026-11-22 12:00:00"}),
            400,
            "unknown_field",
            "scheduled_at",
            "scheduled_at",
        ),
        (json!({"client_login": "acme"}), 404, "not_found", "client_login", "client not found"),
        (json!({"client_login": "nobody"}), 404, "not_found", "client_login", "client not found"),
    ] {
        let refused = refusal(&send(&alice, other.clone()).await);
        assert_eq!((refused.0, refused.1.as_str(), refused.2.as_str()), (status, code, field), "{other}");
        assert!(refused.3.contains(reason), "{other}: {}", refused.3);
    }
    for (at, reason) in [
        ("2026-11-21 11:59:59", "in the past"),
        ("2026-11-21 12:00:00", "in the past"),
        ("2028-11-21 12:00:00", "more than a year"),
        ("2026-11-22T12:00:00Z", "a time like"),
        ("2026-02-30 12:00:00", "a time like"),
        ("", "a time like"),
    ] {
        let refused = refusal(&alice.write(API, "schedule", &message(&json!({"scheduled_at": at}))).await);
        assert_eq!((refused.0, refused.2.as_str()), (400, "scheduled_at"), "{at}");
        assert!(refused.3.contains(reason), "{at}: {}", refused.3);
    }
    let missing = refusal(&alice.write(API, "schedule", &message(&json!({}))).await);
    assert_eq!((missing.0, missing.2.as_str()), (400, "scheduled_at"));
    let large = json!({"message": "a".repeat(300 * 1024)});
    assert_eq!(send(&alice, large).await.refused(413), "too_large");
    assert_eq!(alice.read(API, "quota&provider=nobody").await.refused(404), "not_found");
    assert_eq!(alice.read(API, "history").await.ok()["total"], 0);
    assert_eq!(purses(&app).await, ["100", "0", "100", "0"]);
    app.stop().await;
}

#[tokio::test]
async fn without_a_provider_or_a_message_tariff_messages_are_refused() {
    let app = TestApp::start().await;
    app.furnish().await;
    let alice = app.script("alice").await;
    assert_eq!(alice.read(API, "providers").await.ok()["providers"], json!([]));
    assert_eq!(send(&alice, json!({})).await.refused(422), "no_providers");
    assert_eq!(alice.read(API, "quota").await.refused(422), "no_providers");
    app.stop().await;

    let app = house().await;
    app.tariff("calls", crate::app::decks::SOLD).await;
    app.plan("calls-only", tollgate::catalog::admin::plans::Basis::Tariff("calls".to_owned())).await;
    app.client("carl", Some("acme"), "calls-only").await;
    app.credit("carl", "10").await;
    let carl = app.script("carl").await;
    assert_eq!(send(&carl, json!({})).await.refused(422), "no_prices");
    let many = json!({"phones": ["+4915112345678"], "message": "Hi"});
    assert_eq!(carl.write(API, "bulk", &many).await.refused(422), "no_prices");
    assert_eq!(carl.read(API, "quota").await.refused(422), "no_prices");
    app.stop().await;
}

#[tokio::test]
async fn a_reseller_must_name_one_of_its_own_clients() {
    let app = house().await;
    app.reseller("rival", "wholesale", None).await;
    app.client("bob", Some("rival"), "wholesale").await;
    app.credit("bob", "10").await;
    app.credit("rival", "10").await;
    let (acme, bob) = (app.script("acme").await, app.script("bob").await);
    for (endpoint, more) in [
        ("send", json!({})),
        ("schedule", json!({"scheduled_at": "2026-11-22 12:00:00"})),
        ("bulk", json!({"phone": null, "phones": ["+4915112345678"]})),
        ("cancel-scheduled", json!({"phone": null, "message": null, "scheduled_sms_id": 1})),
        ("cancel-campaign", json!({"phone": null, "message": null, "campaign_id": 1})),
    ] {
        let body = message(&more);
        let unnamed = refusal(&acme.write(API, endpoint, &body).await);
        assert_eq!((unnamed.0, unnamed.2.as_str()), (400, "client_login"), "{endpoint}");
        let naming = |login: &str| {
            let mut body = body.clone();
            body["client_login"] = login.into();
            body
        };
        let missing = acme.write(API, endpoint, &naming("nobody")).await.without_request_id();
        assert_eq!(missing.0, 404, "{endpoint}");
        for login in ["bob", "rival", "acme"] {
            let anothers = acme.write(API, endpoint, &naming(login)).await.without_request_id();
            assert_eq!(anothers, missing, "{endpoint} {login}");
        }
    }
    for endpoint in ["quota", "scheduled", "campaigns", "history", "status&id=1"] {
        let unnamed = refusal(&acme.read(API, endpoint).await);
        assert_eq!((unnamed.0, unnamed.2.as_str()), (400, "client_login"), "{endpoint}");
        let missing = acme.read(API, &format!("{endpoint}&client_login=nobody")).await.without_request_id();
        let anothers = acme.read(API, &format!("{endpoint}&client_login=bob")).await.without_request_id();
        assert_eq!((missing.0, &anothers), (404, &missing), "{endpoint}");
    }

    // Another's message, a scheduled one, and a campaign are as those that do not exist.
    let sent = send(&bob, json!({})).await.ok()["sms_id"].clone();
    let at = json!({"scheduled_at": "2026-11-22 12:00:00"});
    let scheduled = bob.write(API, "schedule", &message(&at)).await.ok()["scheduled_sms_id"].clone();
    let many = json!({"phones": ["+4915112345678"], "message": "Hi", "scheduled_at": "2026-11-22 12:00:00"});
    let campaign = bob.write(API, "bulk", &many).await.ok()["campaign_id"].clone();
    let alice = app.script("alice").await;
    for (who, named) in [(&alice, None), (&acme, Some("alice"))] {
        let query = named.map(|login| format!("&client_login={login}")).unwrap_or_default();
        let status =
            async |id: &Value| who.read(API, &format!("status&id={id}{query}")).await.without_request_id();
        let missing = status(&json!(999_999_999)).await;
        assert_eq!((missing.0, status(&sent).await), (404, missing.clone()));
        for (endpoint, field, id) in [
            ("cancel-scheduled", "scheduled_sms_id", &scheduled),
            // One that was not scheduled is none.
            ("cancel-scheduled", "scheduled_sms_id", &sent),
            ("cancel-campaign", "campaign_id", &campaign),
        ] {
            let ask = async |id: &Value| {
                let mut body = json!({});
                body[field] = id.clone();
                if let Some(login) = named {
                    body["client_login"] = login.into();
                }
                who.write(API, endpoint, &body).await.without_request_id()
            };
            let missing = ask(&json!(999_999_999)).await;
            assert_eq!((missing.0, ask(id).await), (404, missing.clone()), "{endpoint}");
        }
    }
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test]
async fn missing_credit_is_reported_without_revealing_the_resellers_wallet() {
    let app = house().await;
    let (alice, acme) = (app.script("alice").await, app.script("acme").await);
    let many = json!({"phones": ["+4915112345678"], "message": "Hi"});
    let at = message(&json!({"scheduled_at": "2026-11-22 12:00:00"}));
    for (endpoint, body) in [("send", message(&json!({}))), ("schedule", at), ("bulk", many)] {
        let mut clients = body.clone();
        clients["client_login"] = "alice".into();
        app.leave("alice", "0.0399").await;
        app.leave("acme", "100").await;
        assert_eq!(alice.write(API, endpoint, &body).await.refused(402), "no_credit", "{endpoint}");
        assert_eq!(acme.write(API, endpoint, &clients).await.refused(402), "no_credit", "{endpoint}");
        app.leave("alice", "1").await;
        app.leave("acme", "0.0332").await;
        let told = refusal(&alice.write(API, endpoint, &body).await);
        assert_eq!((told.0, told.1.as_str()), (422, "unavailable"), "{endpoint}");
        for word in ["acme", "reseller", "wholesale", "credit", "balance"] {
            assert!(!told.3.contains(word), "{endpoint}: {}", told.3);
        }
        assert_eq!(
            acme.write(API, endpoint, &clients).await.refused(402),
            "no_wholesale_credit",
            "{endpoint}"
        );
        assert_eq!(purses(&app).await, ["1", "0", "0.0332", "0"], "{endpoint}");
    }
    // What the reseller itself cannot buy.
    app.leave("acme", "1").await;
    app.sell_messages("retail", "own", "prefix,price\n33,0.1\n4915,0.1\n").await;
    let french = json!({"phone": "+33612345678"});
    let told = refusal(&send(&alice, french.clone()).await);
    assert_eq!((told.0, told.1.as_str()), (422, "unavailable"));
    assert!(!told.3.contains("acme"), "{}", told.3);
    let told = refusal(&send(&acme, json!({"phone": "+33612345678", "client_login": "alice"})).await);
    assert_eq!((told.0, told.1.as_str(), told.2.as_str()), (422, "no_rate", "phone"));
    assert!(told.3.contains("your own prices"), "{}", told.3);
    let mut many = json!({"phones": ["+33612345678"], "message": "Hi"});
    assert_eq!(alice.write(API, "bulk", &many).await.refused(422), "unavailable");
    many["client_login"] = "alice".into();
    assert_eq!(acme.write(API, "bulk", &many).await.refused(422), "no_rate");
    // Among others it is rejected, in words that its sender may see.
    many["phones"] = json!(["+33612345678", "+4915112345678"]);
    let taken = acme.write(API, "bulk", &many).await.ok();
    assert_eq!(taken["rejected"][0]["reason"], "messages cannot be sent there at present");
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test]
async fn a_disabled_account_sends_nothing_and_its_holds_are_released() {
    let app = house().await;
    let (alice, acme) = (app.script("alice").await, app.script("acme").await);
    let soon = message(&json!({"scheduled_at": "2026-11-21 12:00:10"}));
    let id = alice.write(API, "schedule", &soon).await.ok()["scheduled_sms_id"].clone();
    assert_eq!(purses(&app).await, ["100", "0.03996", "100", "0.0333"]);
    let off = |active| AccountChange { active: Some(active), ..AccountChange::default() };
    app.set("alice", off(false)).await;
    let told = refusal(&send(&acme, json!({"client_login": "alice"})).await);
    assert_eq!((told.0, told.1.as_str(), told.2.as_str()), (422, "inactive", "client_login"));
    app.advance_ms(11_000).await;
    let of_client = async || acme.read(API, &format!("status&id={id}&client_login=alice")).await.ok();
    until_nothing_is_held(&app).await;
    let row = of_client().await;
    assert_eq!(
        (&row["status"], &row["failure"]),
        (&json!("REJECTED"), &json!("the account is switched off"))
    );
    assert_eq!(purses(&app).await, ["100", "0", "100", "0"]);
    app.assert_right().await;
    app.stop().await;
}

on_both!(every_segment_is_charged_to_each_payer_at_its_price, database => {
    let app = house_on(database, "", 1_000).await;
    let (alice, acme) = (app.script("alice").await, app.script("acme").await);
    let (mut retail, mut wholesale) = (100_000_000_i64, 100_000_000_i64);
    let money = |millionths: i64| tollgate_rating::Money::from_nanos(millionths * 1_000).to_string();
    for (text, segments) in [
        ("a".repeat(160), 1),
        ("a".repeat(161), 2),
        ("€".repeat(80), 1),
        ("€".repeat(81), 2),
        ("я".repeat(70), 1),
        ("я".repeat(71), 2),
        ("😀".repeat(35), 1),
        ("😀".repeat(36), 2),
        ("a".repeat(1_530), 10),
    ] {
        let answer = send(&alice, json!({"message": text})).await.ok();
        // 0.0333 a segment, 20 % more for the client.
        retail -= 39_960 * segments;
        wholesale -= 33_300 * segments;
        assert_eq!(answer["status"], "SENT_TO_PROVIDER", "{answer}");
        assert_eq!(answer["segments"], segments, "{answer}");
        let after: tollgate_rating::Money = answer["balance_after"].as_str().unwrap().parse().unwrap();
        assert_eq!(after.to_string(), money(retail), "{answer}");
        let cost: tollgate_rating::Money = answer["cost"].as_str().unwrap().parse().unwrap();
        assert_eq!(cost.to_string(), money(39_960 * segments), "{answer}");
        assert_eq!(purses(&app).await, [money(retail), "0".to_owned(), money(wholesale), "0".to_owned()]);
    }
    // The reseller's own request charges its client as the client's own does.
    let answer = send(&acme, json!({"phone": "447712345678", "client_login": "alice"})).await.ok();
    assert_eq!(answer["cost"], "0.0480");
    assert_eq!(purses(&app).await, [money(retail - 48_000), "0".to_owned(), money(wholesale - 40_000), "0".to_owned()]);
    let quota = alice.read(API, "quota").await.ok();
    assert_eq!((&quota["provider"], &quota["price_from"]), (&json!("cryptosms"), &json!("0.0240")));
    assert_eq!(quota["messages_estimate"], (retail - 48_000) / 24_000);
    let history = alice.read(API, "history&limit=2").await.ok();
    assert_eq!((&history["total"], &history["messages"][0]["phone"]), (&json!(10), &json!("+447712345678")));
    assert_eq!((&history["messages"][1]["segments"], &history["messages"][1]["cost"]), (&json!(10), &json!("0.3996")));
    app.assert_right().await;
    app.stop().await;
});

on_both!(each_outcome_of_a_message_is_charged_correctly, database => {
    let app = house_on(database, "retry_for_seconds = 60", 1_000).await;
    let alice = app.script("alice").await;
    let providers = alice.read(API, "providers").await.ok();
    assert_eq!(providers["providers"], json!([
        {"provider": "cryptosms", "provider_name": "CryptoSMS (simulator)", "sender_id_guaranteed": false}
    ]));

    // Refused: nothing is charged, and the same request may come again.
    let body = message(&json!({"phone": REFUSED}));
    for _ in 0..2 {
        let told = refusal(&post_with_key(&alice, "send", "refused", &body).await);
        assert_eq!((told.0, told.1.as_str()), (422, "provider_refused"));
        assert!(told.3.contains("the simulator refuses"), "{}", told.3);
    }
    let history = alice.read(API, "history").await.ok();
    let row = &history["messages"][0];
    assert_eq!((&history["total"], &row["status"], &row["cost"]), (&json!(2), &json!("REJECTED"), &json!("0.0000")));
    assert_eq!(purses(&app).await, ["100", "0", "100", "0"]);

    // Delivered, or not: the attempt is charged.
    let sent = send(&alice, json!({})).await.ok();
    let row = until(&alice, &sent["sms_id"], "DELIVERED").await;
    assert_eq!((&row["failure"], &row["cost"]), (&Value::Null, &json!("0.03996")));
    assert!(row["sent_at"].is_string(), "{row}");
    let sent = send(&alice, json!({"phone": FAILS})).await.ok();
    assert_eq!(sent["status"], "SENT_TO_PROVIDER");
    assert_eq!(until(&alice, &sent["sms_id"], "FAILED").await["failure"], "simulated");
    assert_eq!(purses(&app).await, ["99.92008", "0", "99.9334", "0"]);

    // Perhaps sent, and the provider cannot tell: charged, and never sent again.
    let sent = send(&alice, json!({"phone": LOST})).await.ok();
    assert_eq!(sent["status"], "UNKNOWN");
    let row = alice.read(API, &format!("status&id={}", sent["sms_id"])).await.ok();
    assert_eq!((&row["status"], &row["failure"]), (&json!("UNKNOWN"), &json!("it is not known whether the provider has it")));
    assert_eq!(purses(&app).await, ["99.88012", "0", "99.9001", "0"]);

    // Taken without an answer: found by our reference, and paid once.
    let sent = send(&alice, json!({"phone": UNANSWERED})).await.ok();
    let row = until(&alice, &sent["sms_id"], "DELIVERED").await;
    assert_eq!((&row["failure"], &row["delivered_at"]), (&Value::Null, &json!("2026-11-21T12:00:00Z")));
    assert_eq!(purses(&app).await, ["99.84016", "0", "99.8668", "0"]);

    // Busy: tried again until the configured time is over, its price set aside meanwhile.
    let busy = send(&alice, json!({"phone": BUSY})).await.ok();
    assert_eq!((&busy["status"], &busy["balance_after"]), (&json!("QUEUED"), &json!("99.8002")));
    assert_eq!(purses(&app).await, ["99.84016", "0.03996", "99.8668", "0.0333"]);
    app.advance_ms(6_000).await;
    let row = until_row(&alice, &busy["sms_id"], |row| row["updated_at"] == "2026-11-21T12:00:06Z").await;
    assert_eq!((&row["status"], &row["failure"]), (&json!("QUEUED"), &Value::Null));
    assert_eq!(app.held("alice").await, "0.03996");
    let row = until_given_up(&app, &alice, &busy["sms_id"]).await;
    assert_eq!((&row["failure"], &row["sent_at"]), (&json!("the provider did not take it in time"), &Value::Null));
    assert_eq!(row["cost"], "0.0000");
    until_nothing_is_held(&app).await;
    assert_eq!(purses(&app).await, ["99.84016", "0", "99.8668", "0"]);
    app.assert_right().await;
    app.stop().await;
});

on_both!(a_scheduled_message_is_sent_at_its_time_or_cancelled_before, database => {
    let app = house_on(database, "time_zone = 'Europe/Berlin'", 1_000).await;
    let alice = app.script("alice").await;
    // Noon is one o'clock in Berlin.
    let schedule = async |at: &str| alice.write(API, "schedule", &message(&json!({"scheduled_at": at}))).await;
    let first = schedule("2026-11-21 13:00:30").await.ok();
    assert_eq!((&first["status"], &first["server_utc_offset"]), (&json!("SCHEDULED"), &json!("+01:00")));
    assert_eq!(first["scheduled_at"], "2026-11-21 13:00:30");
    let second = schedule("2026-11-21 13:00:30").await.ok();
    let summer = schedule("2027-07-01 09:00:00").await.ok();
    assert_eq!(summer["server_utc_offset"], "+02:00");
    let told = refusal(&schedule("2027-03-28 02:30:00").await);
    assert_eq!((told.0, told.2.as_str()), (400, "scheduled_at"));
    assert!(told.3.contains("put forward"), "{}", told.3);
    assert_eq!(schedule("2026-11-21 12:30:00").await.status, 400, "it is over in Berlin");
    assert_eq!(purses(&app).await, ["100", "0.11988", "100", "0.0999"]);

    let cancel = async |answer: &Value| {
        alice.write(API, "cancel-scheduled", &json!({"scheduled_sms_id": answer["scheduled_sms_id"]})).await
    };
    let called_back = cancel(&second).await.ok();
    assert_eq!((&called_back["status"], &called_back["scheduled_sms_id"]), (&json!("CANCELLED"), &second["scheduled_sms_id"]));
    assert_eq!(purses(&app).await, ["100", "0.07992", "100", "0.0666"]);
    assert_eq!(cancel(&second).await.refused(409), "too_late");

    app.advance_ms(29_000).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let state = async |answer: &Value| {
        alice.read(API, &format!("status&id={}", answer["scheduled_sms_id"])).await.ok()["status"].clone()
    };
    assert_eq!(state(&first).await, "SCHEDULED", "not before its time");
    app.advance_ms(2_000).await;
    until(&alice, &first["scheduled_sms_id"], "DELIVERED").await;
    assert_eq!(state(&second).await, "CANCELLED");
    let told = refusal(&cancel(&first).await);
    assert_eq!((told.0, told.1.as_str()), (409, "too_late"));
    assert!(told.3.contains("DELIVERED"), "{}", told.3);
    assert_eq!(purses(&app).await, ["99.96004", "0.03996", "99.9667", "0.0333"]);

    let listed = alice.read(API, "scheduled&limit=20").await.ok();
    let rows: Vec<(&str, &str, &str)> = listed["scheduled"].as_array().unwrap().iter().map(|row| {
        let text = |name: &str| row[name].as_str().unwrap();
        (text("scheduled_at"), text("server_utc_offset"), text("status"))
    }).collect();
    assert_eq!(rows, [
        ("2027-07-01 09:00:00", "+02:00", "SCHEDULED"),
        ("2026-11-21 13:00:30", "+01:00", "CANCELLED"),
        ("2026-11-21 13:00:30", "+01:00", "DELIVERED"),
    ]);
    assert_eq!(listed["total"], 3);
    assert_eq!(cancel(&summer).await.status, 200);
    assert_eq!(purses(&app).await, ["99.96004", "0", "99.9667", "0"]);
    app.assert_right().await;
    app.stop().await;
});
