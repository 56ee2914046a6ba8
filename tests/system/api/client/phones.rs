//! The client API: the account, its plans, its SIP accounts, its addresses.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};
use tollgate::catalog::admin::plans::{self, Basis, PlanSpec};
use tollgate::catalog::admin::trunks::TrunkSpec;
use tollgate::clock::Clock as _;
use tollgate::services::FEED_ACCOUNT;
use tollgate::store::Reserved;
use tollgate::store::accounts::{AccountLimits, AccountRecord, Kind};
use tollgate_rating::Money;

use crate::app::TestApp;
use crate::app::asterisk::{Behaviour, FakeAsterisk};
use crate::app::database::on_both;
use crate::app::http::{Answered, Script};
use crate::peers_invalidation;

/// The names of an object's members.
pub(crate) fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

pub(crate) fn set(names: &[&'static str]) -> BTreeSet<&'static str> {
    names.iter().copied().collect()
}

/// Of parallel answers: how many succeeded, and the machine codes of the others.
pub(crate) fn tally(answers: &[Answered]) -> (usize, BTreeSet<String>) {
    let good = answers.iter().filter(|answer| answer.status == 200).count();
    let refused = answers.iter().filter(|answer| answer.status != 200);
    (good, refused.map(|answer| answer.refused(answer.status)).collect())
}

impl TestApp {
    /// Makes a subaccount of a client, without a phone, of a chosen login.
    pub(crate) async fn subaccount(&self, login: &str, client: &str) {
        let mut tx = self.services.store.begin().await.unwrap();
        tx.reserve_ids(Reserved::default()).await.unwrap();
        let above = tx.account_by_login(client).await.unwrap().unwrap();
        let account = AccountRecord {
            id: tx.next_account_id().await.unwrap(),
            login: login.to_owned(),
            kind: Kind::Subaccount,
            parent_id: Some(above.id),
            credit_limit: Money::ZERO,
            limits: AccountLimits::default(),
            ..above
        };
        tx.insert_account(&account).await.unwrap();
        tx.insert_subaccount(account.id).await.unwrap();
        tx.append_feed(FEED_ACCOUNT, account.id, account.created_at).await.unwrap();
        tx.commit().await.unwrap();
        self.services.reload_account(account.id).await.unwrap();
    }

    /// Makes a plan that its owner's clients may choose; returns its id.
    async fn offered_plan(&self, name: &str, owner: Option<&str>, signup: bool) -> i64 {
        let owner_id = match owner {
            Some(login) => Some(self.show(login).await.account.id),
            None => None,
        };
        let basis = Basis::Plan { name: "wholesale".to_owned(), markup: "10".parse().unwrap() };
        let spec = PlanSpec { owner_id, signup, ..PlanSpec::new(name, basis) };
        let plan = plans::create(&self.services.store, &spec, self.clock.now()).await.unwrap();
        self.calls.catalog.refresh().await.unwrap();
        plan.plan_id
    }
}

async fn read(script: &Script, endpoint: &str) -> Value {
    let answer = script.read("client-api", endpoint).await.ok();
    assert_eq!(answer["success"], true);
    answer
}

async fn write(script: &Script, endpoint: &str, body: Value) -> Answered {
    script.write("client-api", endpoint, &body).await
}

#[tokio::test]
async fn a_balance_is_decimal_text_with_a_currency() {
    let app = TestApp::start().await;
    app.furnish().await;
    let alice = app.script("alice").await;
    let answer = read(&alice, "balance").await;
    assert_eq!(answer["data"], json!({ "balance": "100.0000", "currency": "EUR" }));
    app.stop().await;
}

on_both!(a_client_chooses_one_of_its_resellers_plans_and_its_subaccounts_follow, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    app.reseller("rival", "wholesale", None).await;
    app.client("direct", None, "retail").await;
    app.subaccount("alice-sub", "alice").await;
    let own = app.offered_plan("own", Some("acme"), true).await;
    let hidden = app.offered_plan("hidden", Some("acme"), false).await;
    let rivals = app.offered_plan("rivals", Some("rival"), true).await;
    let house = app.offered_plan("house", None, true).await;
    let (alice, sub, direct) =
        (app.script("alice").await, app.script("alice-sub").await, app.script("direct").await);

    let names = |answer: &Value| -> Vec<(String, bool)> {
        let rows = answer["data"].as_array().unwrap().iter();
        rows.map(|row| (row["plan_name"].as_str().unwrap().to_owned(), row["current"].as_bool().unwrap())).collect()
    };
    let listed = read(&alice, "plans").await;
    assert_eq!(names(&listed), [("own".to_owned(), false), ("retail".to_owned(), true)]);
    assert_eq!(keys(&listed["data"][0]), set(&["id_plan", "plan_name", "current"]));
    assert_eq!((&listed["limit"], &listed["offset"], &listed["total"]), (&json!(200), &json!(0), &json!(2)));
    assert_eq!(names(&read(&sub, "plans").await), [("retail".to_owned(), true)]);
    assert_eq!(names(&read(&direct, "plans").await), [("house".to_owned(), false), ("retail".to_owned(), true)]);

    let missing = write(&alice, "change-plan", json!({ "id_plan": 999_999_999_i64 })).await.without_request_id();
    assert_eq!((missing.0, &missing.1["field"]), (404, &json!("id_plan")));
    for id_plan in [hidden, rivals, house, 0, -1, i64::MAX] {
        let answer = write(&alice, "change-plan", json!({ "id_plan": id_plan })).await;
        assert_eq!(answer.without_request_id(), missing, "{id_plan}");
    }
    assert_eq!(write(&sub, "change-plan", json!({ "id_plan": own })).await.without_request_id(), missing);
    let changed = write(&alice, "change-plan", json!({ "id_plan": own })).await.ok();
    assert_eq!(changed["data"], json!({ "id_plan": own, "plan_name": "own" }));
    assert!(changed["message"].is_string());
    assert_eq!(read(&alice, "me").await["data"]["plan_name"], "own");
    assert_eq!(read(&sub, "me").await["data"]["plan_name"], "own");
    assert_eq!(app.show("alice-sub").await.plan, "own");
    // The one it has may always be named.
    write(&sub, "change-plan", json!({ "id_plan": own })).await.ok();
    assert_eq!(write(&alice, "change-plan", json!({})).await.refused(400), "bad_request");
    assert_eq!(write(&alice, "change-plan", json!({ "id_plan": "8" })).await.refused(400), "bad_request");
    app.stop().await;
});

#[tokio::test]
async fn only_the_owner_lists_creates_changes_and_deletes_sip_accounts() {
    let app = TestApp::start().await;
    app.furnish().await;
    app.client("1234567801", Some("acme"), "retail").await;
    let (client, other) = (app.script("1234567801").await, app.script("alice").await);
    let made = write(&client, "create-sip", json!({})).await.ok();
    assert_eq!(keys(&made["data"]), set(&["name", "password"]));
    assert_eq!(made["data"]["name"], "1234567802");
    let own = write(&client, "create-sip", json!({ "password": "StrongSipPass123" })).await.ok();
    assert_eq!(own["data"], json!({ "name": "1234567803", "password": "StrongSipPass123" }));
    for password in ["short", "with a space", "umläute-123", "line\nbreak1"] {
        let refused = write(&client, "create-sip", json!({ "password": password })).await;
        assert_eq!(refused.refused(400), "bad_request");
        assert_eq!(refused.json()["field"], "password");
    }
    tollgate::peers::ops::rotate_web_secret(&app.services, "1234567801").await.unwrap();
    write(&client, "ip-auth-create", json!({ "sip_login": "1234567801", "ip": "203.0.113.10" })).await.ok();

    let listed = read(&client, "sip").await;
    let rows = listed["data"].as_array().unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["1234567801", "1234567802", "1234567803"], "the main one first, no service peers");
    assert_eq!(keys(&rows[0]), set(&["name", "password", "main", "active", "callerid", "registered"]));
    assert_eq!((&rows[0]["main"], &rows[1]["main"]), (&json!(true), &json!(false)));
    assert_eq!(
        (&rows[0]["active"], &rows[0]["callerid"], &rows[0]["registered"]),
        (&json!(1), &Value::Null, &json!(false))
    );
    assert_eq!(rows[2]["password"], "StrongSipPass123");
    assert_eq!(rows[1]["password"], made["data"]["password"]);
    assert_eq!(read(&client, "sip&limit=1&offset=1").await["data"][0]["name"], "1234567802");

    let changed =
        write(&client, "update-sip-password", json!({ "name": "1234567802", "password": "NewSipPass456" }));
    assert_eq!(changed.await.ok()["data"], json!({ "name": "1234567802" }));
    assert_eq!(read(&client, "sip").await["data"][1]["password"], "NewSipPass456");
    assert_eq!(
        write(&client, "update-sip-password", json!({ "name": "1234567802" })).await.refused(400),
        "bad_request"
    );

    let nobodys = |name: &str| json!({ "name": name, "password": "NewSipPass456" });
    let missing = write(&other, "update-sip-password", nobodys("nobody")).await.without_request_id();
    assert_eq!(missing.0, 404);
    for (script, name) in [(&other, "1234567802"), (&client, "1234567801_web1"), (&client, "1234567801_ipa1")]
    {
        assert_eq!(write(script, "update-sip-password", nobodys(name)).await.without_request_id(), missing);
        let deleted = write(script, "delete-sip", json!({ "name": name })).await;
        assert_eq!(deleted.without_request_id(), missing, "{name}");
    }
    assert_eq!(
        write(&client, "delete-sip", json!({ "name": "1234567801" })).await.refused(422),
        "main_sip_account"
    );
    let deleted = write(&client, "delete-sip", json!({ "name": "1234567802" })).await.ok();
    assert_eq!(deleted["data"], json!({ "name": "1234567802" }));
    assert_eq!(write(&client, "delete-sip", json!({ "name": "1234567802" })).await.refused(404), "not_found");
    app.stop().await;
}

on_both!(concurrent_requests_create_at_most_100_sip_accounts, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    let alice = app.script("alice").await;
    for _ in 0..89 {
        tollgate::peers::ops::create(&app.services, "alice", None).await.unwrap();
    }
    let body = json!({});
    let answers = join_all((0..100).map(|_| alice.write("client-api", "create-sip", &body))).await;
    assert_eq!(tally(&answers), (10, BTreeSet::from(["limit_reached".to_owned()])));
    assert_eq!(read(&alice, "sip").await["total"], 100);
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 409)));
    app.stop().await;
});

#[tokio::test]
async fn only_the_owner_creates_disables_enables_and_deletes_an_ip_authorization() {
    let app = TestApp::start().await;
    app.furnish().await;
    app.client("bob", Some("acme"), "retail").await;
    let (alice, bob) = (app.script("alice").await, app.script("bob").await);
    let made =
        write(&alice, "ip-auth-create", json!({ "sip_login": "alice", "ip": "203.0.113.10" })).await.ok();
    let id = made["data"]["id"].as_i64().unwrap();
    let wanted = json!({
        "id": id, "sip_login": "alice", "peer_name": "alice_ipa1", "ip": "203.0.113.10", "port": 5060, "status": 1,
        "state": "active",
    });
    assert_eq!((&made["message"], &made["data"]), (&json!("IP authentication created"), &wanted));
    let listed = read(&alice, "ip-auth-list").await;
    let row = json!({ "id": id, "peer_name": "alice_ipa1", "ip": "203.0.113.10", "port": 5060, "status": 1, "state": "active" });
    assert_eq!(listed["data"], json!([{ "sip_login": "alice", "ip_auth": [row] }]));
    assert_eq!(read(&bob, "ip-auth-list").await["data"], json!([{ "sip_login": "bob", "ip_auth": [] }]));

    for ip in ["10.0.0.1", "127.0.0.1", "192.168.1.1", "::1", "203.0.113.10:5060", "example.net", ""] {
        let refused = write(&alice, "ip-auth-create", json!({ "sip_login": "alice", "ip": ip })).await;
        assert_eq!(
            (refused.refused(400).as_str(), &refused.json()["field"]),
            ("bad_request", &json!("ip")),
            "{ip}"
        );
    }
    let missing = write(&bob, "ip-auth-create", json!({ "sip_login": "nobody", "ip": "203.0.113.11" })).await;
    for sip_login in ["alice", "alice_ipa1", "acme"] {
        let others =
            write(&bob, "ip-auth-create", json!({ "sip_login": sip_login, "ip": "203.0.113.11" })).await;
        assert_eq!(others.without_request_id(), missing.without_request_id());
    }
    assert_eq!(missing.refused(404), "not_found");
    let taken = write(&bob, "ip-auth-create", json!({ "sip_login": "bob", "ip": "203.0.113.10" })).await;
    assert_eq!(taken.refused(409), "ip_in_use");

    for endpoint in ["ip-auth-disable", "ip-auth-enable", "ip-auth-delete"] {
        let missing = write(&bob, endpoint, json!({ "id": 999_999 })).await.without_request_id();
        assert_eq!(missing.0, 404);
        assert_eq!(write(&bob, endpoint, json!({ "id": id })).await.without_request_id(), missing);
    }
    assert!(app.calls.directory.peer("alice_ipa1").unwrap().in_force());
    let disabled = write(&alice, "ip-auth-disable", json!({ "id": id })).await.ok();
    assert_eq!(disabled["data"], json!({ "id": id, "status": 0, "state": "disabled" }));
    assert!(!app.calls.directory.peer("alice_ipa1").unwrap().in_force());
    // While it speaks for nobody, somebody else may have it; then it cannot come back.
    let bobs = write(&bob, "ip-auth-create", json!({ "sip_login": "bob", "ip": "203.0.113.10" })).await.ok();
    assert_eq!(write(&alice, "ip-auth-enable", json!({ "id": id })).await.refused(409), "ip_in_use");
    let deleted = write(&bob, "ip-auth-delete", json!({ "id": bobs["data"]["id"] })).await.ok();
    assert_eq!(deleted["data"], json!({ "id": bobs["data"]["id"] }));
    assert!(app.calls.directory.peer("bob_ipa1").is_none());
    let enabled = write(&alice, "ip-auth-enable", json!({ "id": id })).await.ok();
    assert_eq!(enabled["data"], json!({ "id": id, "status": 1, "state": "active" }));
    let again = write(&alice, "create-sip", json!({})).await.ok();
    let sip_login = &again["data"]["name"];
    let second =
        write(&alice, "ip-auth-create", json!({ "sip_login": sip_login, "ip": "203.0.113.10" })).await;
    assert_eq!(second.refused(409), "ip_in_use", "one SIP account per address, of one client too");
    app.stop().await;
}

on_both!(an_address_requested_by_two_clients_at_once_goes_to_one, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    app.client("bob", Some("acme"), "retail").await;
    let (alice, bob) = (app.script("alice").await, app.script("bob").await);
    let asked = (0..100).map(|n| {
        let (script, login) = if n % 2 == 0 { (&alice, "alice") } else { (&bob, "bob") };
        let body = json!({ "sip_login": login, "ip": "203.0.113.77" });
        async move { script.write("client-api", "ip-auth-create", &body).await }
    });
    let answers = join_all(asked).await;
    let refusals = BTreeSet::from(["ip_in_use", "too_many_attempts"].map(str::to_owned));
    assert_eq!(tally(&answers), (1, refusals), "whoever has it may ask again and again, nobody else");
    app.stop().await;
});

on_both!(a_name_that_the_database_cannot_store_is_not_found, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    let (alice, acme) = (app.script("alice").await, app.script("acme").await);
    for name in ["a\u{0}b", "\u{0}", "\u{10ffff}", "' OR 1=1 --", &"x".repeat(10_000)] {
        for (endpoint, body) in [
            ("update-sip-password", json!({ "name": name, "password": "NewSipPass456" })),
            ("delete-sip", json!({ "name": name })),
            ("ip-auth-create", json!({ "sip_login": name, "ip": "203.0.113.10" })),
        ] {
            assert_eq!(write(&alice, endpoint, body).await.refused(404), "not_found", "{endpoint}");
        }
        let body = json!({ "cid": name, "name": name });
        assert_eq!(write(&alice, "add-callerid", body.clone()).await.refused(400), "bad_request");
        assert_eq!(write(&alice, "set-callerid", json!({ "cid": name })).await.refused(400), "bad_request");
        let password = json!({ "current_password": name, "new_password": name });
        assert!(matches!(write(&alice, "change-password", password).await.status, 400 | 422));
        let voucher = write(&alice, "redeem-voucher", json!({ "voucher": name })).await;
        assert!(matches!(voucher.status, 400 | 404), "{voucher:?}");
    }
    assert_eq!(acme.read("reseller-api", "client-calls&login=%00").await.refused(404), "not_found");
    app.stop().await;
});

#[tokio::test]
async fn registrations_are_read_from_asterisk_without_blocking_the_answer() {
    let behaviour = Behaviour::answering(|asked| match (asked.action.as_str(), asked.get("Variable")) {
        ("Getvar", "PJSIP_AOR(alice,contact)") => {
            Some(asked.success("Variable: PJSIP_AOR(alice,contact)\nValue: alice;@0123\n"))
        }
        ("Getvar", variable) => Some(asked.success(&format!("Variable: {variable}\nValue: \n"))),
        _ => peers_invalidation::answer(asked, &[], &[]),
    });
    let server = FakeAsterisk::start(behaviour).await;
    let app = peers_invalidation::linked_to(&server).await;
    let alice = app.script("alice").await;
    write(&alice, "create-sip", json!({})).await.ok();
    let registered = |answer: &Value| -> Vec<bool> {
        answer["data"].as_array().unwrap().iter().map(|row| row["registered"].as_bool().unwrap()).collect()
    };
    assert_eq!(registered(&read(&alice, "sip").await), [true, false]);
    server.fall_silent(true);
    let asked_at = Instant::now();
    assert_eq!(registered(&read(&alice, "sip").await), [false, false]);
    assert!(asked_at.elapsed() < Duration::from_secs(4), "{:?}", asked_at.elapsed());
    drop(server);
    app.stop().await;
}

#[tokio::test]
async fn an_address_that_became_a_carriers_cannot_be_enabled_and_its_owner_is_not_revealed() {
    let app = TestApp::start().await;
    app.furnish().await;
    let alice = app.script("alice").await;
    let made =
        write(&alice, "ip-auth-create", json!({ "sip_login": "alice", "ip": "203.0.113.77" })).await.ok();
    let id = made["data"]["id"].as_i64().unwrap();
    write(&alice, "ip-auth-disable", json!({ "id": id })).await.ok();
    app.trunk(TrunkSpec {
        host: Some("203.0.113.77".to_owned()),
        ..TrunkSpec::new("third", "third-endpoint", "carrier-a")
    })
    .await;
    assert_eq!(write(&alice, "ip-auth-enable", json!({ "id": id })).await.refused(409), "ip_in_use");
    let body = json!({ "sip_login": "alice", "ip": "203.0.113.77" });
    assert_eq!(write(&alice, "ip-auth-create", body).await.refused(409), "ip_in_use");
    app.stop().await;
}
