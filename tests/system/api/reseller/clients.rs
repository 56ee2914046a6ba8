//! Clients of a reseller over HTTP: creation, lists, status, plans.

use std::collections::BTreeSet;

use hyper::Method;
use serde_json::{Value, json};
use tollgate::accounts::hashing::Caller;
use tollgate::accounts::password;
use tollgate::catalog::admin::plans::{self, Basis, PlanSpec};
use tollgate::clock::Clock as _;
use tollgate::store::Store;

use crate::app::TestApp;
use crate::app::book::{number, take_the_ownership_away};
use crate::app::database::on_both;
use crate::app::decks::BERLIN;
use crate::app::house::money;
use crate::app::http::{Answered, Script};

const API: &str = "reseller-api";

impl TestApp {
    /// A plan of a reseller's own, derived from `wholesale`; returns its id.
    pub(crate) async fn owned_plan(
        &self,
        owner: &str,
        name: &str,
        change: impl FnOnce(&mut PlanSpec),
    ) -> i64 {
        let markup = "30".parse().unwrap();
        let mut spec = PlanSpec::new(name, Basis::Plan { name: "wholesale".to_owned(), markup });
        spec.owner_id = Some(self.show(owner).await.account.id);
        change(&mut spec);
        let plan = plans::create(&self.services.store, &spec, self.clock.now()).await.unwrap();
        self.calls.catalog.refresh().await.unwrap();
        plan.plan_id
    }

    /// A plan's id by its name.
    pub(crate) async fn plan_id(&self, name: &str) -> i64 {
        self.services.store.plan_id(name).await.unwrap().unwrap()
    }

    /// What a reseller's new client is told.
    pub(crate) async fn created(&self, reseller: &Script, body: &Value) -> Value {
        reseller.write(API, "create-client", body).await.ok()["client"].clone()
    }
}

/// The names of an object's members.
pub(crate) fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

async fn accounts(store: &Store) -> i64 {
    number(store, "SELECT COUNT(*) FROM accounts").await
}

async fn asked_with_key(reseller: &Script, key: &str, body: &Value) -> Answered {
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", key)];
    let path = "/reseller-api/index.php?endpoint=create-client";
    reseller.ask(Method::POST, path, &headers, body.to_string()).await
}

on_both!(without_a_plan_a_client_pays_20_percent_above_wholesale, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    let acme = app.script("acme").await;
    let made = acme.write(API, "create-client", &json!({})).await.ok();
    assert_eq!(keys(&made), ["client", "ok"].into());
    let client = &made["client"];
    assert_eq!(keys(client), ["active", "balance", "id", "login", "password", "plan_id", "sip"].into());
    assert_eq!(keys(&client["sip"]), ["login", "password"].into());
    assert_eq!((&client["balance"], &client["active"]), (&json!(0), &json!(true)));
    let login = client["login"].as_str().unwrap();
    assert!((7..=9).contains(&login.len()) && login.bytes().all(|b| b.is_ascii_digit()), "{login}");
    assert_eq!(client["sip"]["login"], login);
    let password = client["password"].as_str().unwrap();
    assert!(password.len() >= 12, "{client}");
    assert_ne!(client["sip"]["password"], password);
    let id = client["id"].as_i64().unwrap();
    let hash = app.services.store.password(id).await.unwrap();
    assert!(hash.as_ref().unwrap().starts_with("$argon2id$"));
    assert!(password::verify(password.to_owned(), hash, &Caller::operator()).await.unwrap());
    assert_eq!(app.show(login).await.plan, "RETAIL-100");

    app.credit(login, "10").await;
    let granted = app.dial(login, BERLIN).await.allowed();
    app.talk(&granted, 60_000).await;
    let cdr = app.cdr(&granted.dial).await;
    let line = |at: usize| (cdr.payers[at].login.as_str(), cdr.payers[at].price, cdr.payers[at].charge);
    assert_eq!(line(0), (login, 62_076_000, 62_076_000), "0.05173 and a fifth of it");
    assert_eq!(line(1), ("acme", 51_730_000, 51_730_000));

    let again = app.created(&acme, &json!({})).await;
    assert_eq!(again["plan_id"], client["plan_id"], "the retail plan is made once");
    app.assert_right().await;
    app.stop().await;
});

#[tokio::test]
async fn a_created_client_has_the_requested_login_password_and_plan() {
    let app = TestApp::start().await;
    app.furnish().await;
    let acme = app.script("acme").await;
    let plan_id = app.owned_plan("acme", "own", |_| {}).await;
    let body = json!({"login": "1234567891", "password": "StrongPass123", "plan_id": plan_id});
    let client = app.created(&acme, &body).await;
    assert_eq!((&client["login"], &client["sip"]["login"]), (&json!("1234567891"), &json!("1234567891")));
    assert_eq!((&client["password"], &client["plan_id"]), (&json!("StrongPass123"), &json!(plan_id)));

    let before = accounts(&app.services.store).await;
    let refused = async |status, body: Value| {
        let answered = acme.write(API, "create-client", &body).await;
        let field = answered.json()["field"].as_str().unwrap_or_default().to_owned();
        (answered.refused(status), field)
    };
    let is = |code: &str, field: &str| (code.to_owned(), field.to_owned());
    assert_eq!(refused(409, json!({"login": "1234567891"})).await, is("login_taken", "login"));
    assert_eq!(refused(409, json!({"login": "alice"})).await, is("login_taken", "login"), "whosever it is");
    assert_eq!(refused(409, json!({"login": "first-endpoint"})).await, is("login_taken", "login"));
    for login in ["", "a b", "x_web1", "1_ipa2", "-a", "ä", "a\n"] {
        assert_eq!(refused(400, json!({"login": login})).await, is("bad_request", "login"), "{login:?}");
    }
    for password in ["short", "with\u{7}bell1", &"x".repeat(129)] {
        assert_eq!(refused(400, json!({"password": password})).await, is("bad_request", "password"));
    }
    assert_eq!(refused(400, json!({"plan_id": "7"})).await, is("bad_request", "plan_id"));
    assert_eq!(refused(400, json!({"plan": 7})).await, is("unknown_field", "plan"));
    assert_eq!(accounts(&app.services.store).await, before, "what is refused makes nothing");

    app.reseller("rival", "wholesale", None).await;
    let rivals = app.owned_plan("rival", "rivals", |_| {}).await;
    let operators = app.plan_id("retail").await;
    let missing = acme.write(API, "create-client", &json!({"plan_id": 999_999})).await;
    assert_eq!(missing.refused(404), "not_found");
    for other in [rivals, operators, -1, i64::MAX] {
        let answered = acme.write(API, "create-client", &json!({"plan_id": other})).await;
        assert_eq!(answered.without_request_id(), missing.without_request_id());
    }
    app.assert_right().await;
}

on_both!(the_initial_credit_is_posted_with_the_client, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    let acme = app.script("acme").await;
    let plan_id = app.owned_plan("acme", "gift", |spec| spec.initial_credit = money("2.5")).await;
    let client = app.created(&acme, &json!({"plan_id": plan_id})).await;
    let login = client["login"].as_str().unwrap();
    assert_eq!(client["balance"], json!(2.5));
    assert_eq!(app.balance(login).await, "2.5");
    assert_eq!(app.balance("acme").await, "100", "it is the reseller's promise, not its money");
    let book = async |account| app.services.store.balance(account, "EUR").await.unwrap().money().unwrap();
    assert_eq!(book(4).await, money("-2.5"));
    let note = "SELECT COUNT(*) FROM transactions WHERE kind = 'credit' AND note = 'initial credit of plan gift'";
    assert_eq!(number(&app.services.store, note).await, 1);

    // An operator's own client gets it from the operator.
    let funds = book(1).await;
    app.client("direct", None, "gift").await;
    assert_eq!(app.balance("direct").await, "2.5");
    assert_eq!(book(1).await, funds.checked_sub(money("2.5")).unwrap());
    // A client that is not made gets none.
    acme.write(API, "create-client", &json!({"plan_id": plan_id, "login": "direct"})).await.refused(409);
    assert_eq!(number(&app.services.store, note).await, 2);
    app.assert_right().await;
    app.stop().await;
});

on_both!(a_client_is_not_created_when_its_credit_cannot_be_posted, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    let acme = app.script("acme").await;
    let gift = app.owned_plan("acme", "gift", |spec| spec.initial_credit = money("2.5")).await;
    let before = accounts(&app.services.store).await;
    // Another process has taken the wallets over, and this one does not know yet.
    take_the_ownership_away(&app.services.store).await;
    let answered = acme.write(API, "create-client", &json!({"login": "unlucky", "plan_id": gift})).await;
    assert_eq!(answered.refused(503), "unavailable");
    assert!(answered.headers.contains_key("retry-after"));
    assert_eq!(accounts(&app.services.store).await, before);
    assert_eq!(number(&app.services.store, "SELECT COUNT(*) FROM names WHERE name = 'unlucky'").await, 0);
});

on_both!(a_repeated_create_client_gets_the_first_answer_and_creates_nothing, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    let acme = app.script("acme").await;
    app.owned_plan("acme", "gift", |spec| spec.initial_credit = money("1")).await;
    let first = asked_with_key(&acme, "order-1", &json!({})).await;
    let after_first = accounts(&app.services.store).await;
    let again = asked_with_key(&acme, "order-1", &json!({})).await;
    assert_eq!(first.ok(), again.ok(), "the passwords too");
    assert_eq!(first.ok()["client"]["balance"], json!(1));
    let other = asked_with_key(&acme, "order-1", &json!({"login": "x"})).await;
    assert_eq!(other.refused(409), "idempotency_key_taken");
    // What was refused is not remembered.
    asked_with_key(&acme, "order-2", &json!({"login": "alice"})).await.refused(409);
    asked_with_key(&acme, "order-2", &json!({"login": "alina"})).await.ok();
    // Twenty at once are one.
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let acme = acme.clone();
        asking.spawn(async move { asked_with_key(&acme, "order-3", &json!({})).await.ok()["client"]["id"].clone() });
    }
    let ids: BTreeSet<String> = asking.join_all().await.iter().map(ToString::to_string).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(accounts(&app.services.store).await, after_first + 2);
    app.assert_right().await;
    app.stop().await;
});

on_both!(twenty_concurrent_first_clients_create_one_retail_plan, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    let acme = app.script("acme").await;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let acme = acme.clone();
        asking.spawn(async move { acme.write(API, "create-client", &json!({})).await.ok()["client"].clone() });
    }
    let made = asking.join_all().await;
    let distinct = |key: &str| made.iter().map(|client| client[key].to_string()).collect::<BTreeSet<_>>().len();
    assert_eq!((distinct("plan_id"), distinct("login"), distinct("id")), (1, 20, 20));
    assert_eq!(number(&app.services.store, "SELECT COUNT(*) FROM plans WHERE owner_id IS NOT NULL").await, 1);
    assert_eq!(number(&app.services.store, "SELECT COUNT(*) FROM retail_plans").await, 1);
    assert_eq!(acme.read(API, "clients").await.ok()["total"], 21);
    app.assert_right().await;
    app.stop().await;
});

#[tokio::test]
async fn the_retail_plan_is_the_oldest_one_based_on_the_resellers_plan() {
    let app = TestApp::start().await;
    app.furnish().await;
    let acme = app.script("acme").await;
    app.owned_plan("acme", "flat", |spec| spec.basis = Basis::Tariff("sold".to_owned())).await;
    let oldest = app.owned_plan("acme", "oldest", |_| {}).await;
    app.owned_plan("acme", "younger", |_| {}).await;
    assert_eq!(app.created(&acme, &json!({})).await["plan_id"], oldest);
    let markup = acme.read(API, "agent-markup").await.ok()["markup"].clone();
    assert_eq!((&markup["plan_id"], &markup["markup_percent"]), (&json!(oldest), &json!(30)));

    // A name that is taken is no hindrance.
    app.reseller("rival", "wholesale", None).await;
    let id = app.show("rival").await.account.id;
    app.plan(&format!("RETAIL-{id}"), Basis::Tariff("sold".to_owned())).await;
    let rival = app.script("rival").await;
    assert_eq!(rival.read(API, "agent-markup").await.ok()["markup"]["plan_name"], format!("RETAIL-{id}-2"));
}

#[tokio::test]
async fn the_tariff_limit_bounds_the_plans_of_a_reseller() {
    let app = TestApp::start().await;
    app.furnish().await;
    app.owned_plan("acme", "agents", |spec| (spec.owner_id, spec.tariff_limit) = (None, Some(1))).await;
    app.reseller("small", "agents", None).await;
    let small = app.script("small").await;
    let flat = app.owned_plan("small", "flat", |spec| spec.basis = Basis::Tariff("sold".to_owned())).await;
    for (endpoint, body) in [("create-client", json!({})), ("set-agent-markup", json!({"markup_percent": 5}))]
    {
        assert_eq!(small.write(API, endpoint, &body).await.refused(422), "plan_limit");
    }
    assert_eq!(small.read(API, "agent-markup").await.refused(422), "plan_limit");
    let mut spec = PlanSpec::new("more", Basis::Tariff("sold".to_owned()));
    spec.owner_id = Some(app.show("small").await.account.id);
    let refused = plans::create(&app.services.store, &spec, app.clock.now()).await.unwrap_err();
    assert_eq!(refused.code(), "plan_limit");
    // What it has it can use.
    assert_eq!(app.created(&small, &json!({"plan_id": flat})).await["plan_id"], flat);
}

#[tokio::test]
async fn a_retail_plan_beyond_the_markup_levels_is_refused() {
    let app = TestApp::start().await;
    app.furnish().await;
    for (name, base) in [("l1", "wholesale"), ("l2", "l1"), ("l3", "l2"), ("l4", "l3")] {
        app.derived_plan(name, base, "1").await;
    }
    app.reseller("deep", "l4", None).await;
    let deep = app.script("deep").await;
    assert_eq!(deep.write(API, "create-client", &json!({})).await.refused(422), "too_deep");
}

#[tokio::test]
async fn plans_are_listed_in_the_documented_format() {
    let app = TestApp::start().await;
    app.furnish().await;
    let acme = app.script("acme").await;
    assert_eq!(acme.read(API, "plans").await.ok()["plans"], json!([]));
    let change = |spec: &mut PlanSpec| {
        (spec.signup, spec.initial_credit, spec.tariff_limit) = (true, money("0.5"), Some(3));
    };
    let first = app.owned_plan("acme", "TEST-RESELLER-PLAN", change).await;
    let second = app.owned_plan("acme", "second", |_| {}).await;
    let plans = acme.read(API, "plans").await.ok();
    assert_eq!(keys(&plans), ["limit", "offset", "ok", "plans", "total"].into());
    let expected = json!([
        {"id": second, "name": "second", "signup": false, "initial_credit": 0, "tariff_limit": 0, "agent_rates": 6},
        {"id": first, "name": "TEST-RESELLER-PLAN", "signup": true, "initial_credit": 0.5, "tariff_limit": 3, "agent_rates": 6},
    ]);
    assert_eq!(plans["plans"], expected);
    let page = acme.read(API, "plans&limit=1&offset=1").await.ok();
    assert_eq!((&page["plans"][0]["id"], &page["total"]), (&json!(first), &json!(2)));
    app.reseller("rival", "wholesale", None).await;
    let rival = app.script("rival").await;
    assert_eq!(rival.read(API, "plans").await.ok()["total"], 0);
}

on_both!(clients_lists_the_resellers_own_clients_newest_first, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    let acme = app.script("acme").await;
    app.reseller("below", "wholesale", Some("acme")).await;
    app.client("not-mine", Some("below"), "retail").await;
    app.client("direct", None, "retail").await;
    let new = app.created(&acme, &json!({"login": "1234567892"})).await;
    // A subaccount of a client is none of the reseller's clients.
    app.subaccount("5000001", "alice").await;

    let list = acme.read(API, "clients&limit=10&offset=0").await.ok();
    assert_eq!(keys(&list), ["clients", "limit", "offset", "ok", "total"].into());
    let rows = list["clients"].as_array().unwrap();
    let logins: Vec<_> = rows.iter().map(|row| row["login"].as_str().unwrap()).collect();
    assert_eq!((logins, &list["total"]), (vec!["1234567892", "alice"], &json!(2)));
    assert_eq!(
        rows[0],
        json!({
            "id": new["id"], "login": "1234567892", "active": true, "balance": 0, "plan_id": new["plan_id"],
            "plan_name": "RETAIL-100", "created_at": "2026-11-21T12:00:00Z",
        })
    );
    let page = acme.read(API, "clients&limit=1&offset=1").await.ok();
    assert_eq!((&page["clients"][0]["login"], &page["limit"]), (&json!("alice"), &json!(1)));
    assert_eq!(acme.read(API, "clients&limit=0").await.refused(400), "bad_request");

    let client = acme.read(API, "client&login=alice").await.ok();
    let plan_id = app.plan_id("retail").await;
    assert_eq!(
        client,
        json!({"ok": true, "client": {
            "id": app.show("alice").await.account.id, "login": "alice", "active": true, "balance": 100,
            "credit_limit": 0, "plan_id": plan_id, "plan_name": "retail", "email": null, "phone": null,
            "language": null, "created_at": "2026-11-21T12:00:00Z", "sip_accounts": 1,
        }})
    );
    assert_eq!(acme.read(API, "client").await.refused(400), "bad_request");
    app.stop().await;
});

#[tokio::test]
async fn another_resellers_client_or_plan_is_not_found() {
    let app = TestApp::start().await;
    app.furnish().await;
    app.reseller("rival", "wholesale", None).await;
    app.reseller("below", "wholesale", Some("acme")).await;
    app.client("not-mine", Some("below"), "retail").await;
    app.client("direct", None, "retail").await;
    let rival = app.script("rival").await;
    let rivals = app.created(&rival, &json!({"login": "rivals"})).await;
    let acme = app.script("acme").await;
    let own = app.created(&acme, &json!({})).await["plan_id"].clone();
    let others = ["rivals", "not-mine", "direct", "below", "acme", ""];

    let missing = acme.read(API, "client&login=nobody").await;
    assert_eq!(missing.refused(404), "not_found");
    let missing_rates = acme.read(API, "client-rates&login=nobody").await;
    let missing_status =
        acme.write(API, "set-client-status", &json!({"login": "nobody", "active": false})).await;
    let missing_change = acme.write(API, "change-plan", &json!({"login": "nobody", "plan_id": own})).await;
    for login in others {
        let got = acme.read(API, &format!("client&login={login}")).await;
        assert_eq!(got.without_request_id(), missing.without_request_id(), "{login}");
        let got = acme.read(API, &format!("client-rates&login={login}")).await;
        assert_eq!(got.without_request_id(), missing_rates.without_request_id(), "{login}");
        let got = acme.write(API, "set-client-status", &json!({"login": login, "active": false})).await;
        assert_eq!(got.without_request_id(), missing_status.without_request_id(), "{login}");
        let got = acme.write(API, "change-plan", &json!({"login": login, "plan_id": own})).await;
        assert_eq!(got.without_request_id(), missing_change.without_request_id(), "{login}");
    }
    assert!(app.show("rivals").await.account.active);

    let missing = acme.write(API, "change-plan", &json!({"login": "alice", "plan_id": 999_999})).await;
    assert_eq!(missing.refused(404), "not_found");
    for other in [rivals["plan_id"].clone(), json!(app.plan_id("wholesale").await)] {
        let got = acme.write(API, "change-plan", &json!({"login": "alice", "plan_id": other})).await;
        assert_eq!(got.without_request_id(), missing.without_request_id());
    }
}

#[tokio::test]
async fn a_client_is_disabled_and_enabled_again() {
    let app = TestApp::start().await;
    app.furnish().await;
    let acme = app.script("acme").await;
    let switched = async |active: bool| {
        acme.write(API, "set-client-status", &json!({"login": "alice", "active": active})).await.ok()
    };
    let plan_id = app.plan_id("retail").await;
    let expected =
        |active| json!({"login": "alice", "active": active, "plan_id": plan_id, "plan_name": "retail"});
    assert_eq!(switched(false).await, json!({"ok": true, "client": expected(false)}));
    assert!(!app.dial("alice", BERLIN).await.is_allowed());
    assert_eq!(acme.read(API, "client&login=alice").await.ok()["client"]["active"], false);
    let alice = app.script("alice").await;
    assert_eq!(alice.read("client-api", "me").await.ok()["data"]["active"], 0);
    assert_eq!(switched(false).await["client"], expected(false), "once more is no fault");
    assert_eq!(switched(true).await["client"], expected(true));
    assert!(app.dial("alice", BERLIN).await.is_allowed());
    for body in [json!({"login": "alice"}), json!({"login": "alice", "active": 1}), json!({"active": true})] {
        assert_eq!(acme.write(API, "set-client-status", &body).await.refused(400), "bad_request");
    }
}

#[tokio::test]
async fn a_new_plan_applies_from_the_next_call_on() {
    let app = TestApp::start().await;
    app.furnish().await;
    let acme = app.script("acme").await;
    let plan_id = app.owned_plan("acme", "dearer", |_| {}).await;
    app.subaccount("5000001", "alice").await;
    let body = json!({"login": "alice", "plan_id": plan_id});
    let changed = acme.write(API, "change-plan", &body).await.ok();
    let expected = json!({"login": "alice", "active": true, "plan_id": plan_id, "plan_name": "dearer"});
    assert_eq!(changed, json!({"ok": true, "client": expected}));
    let granted = app.dial("alice", BERLIN).await.allowed();
    app.talk(&granted, 60_000).await;
    assert_eq!(app.cdr(&granted.dial).await.payers[0].price, 67_249_000);
    assert_eq!(app.show("5000001").await.plan, "dearer", "its subaccounts go with it");
    let sub = app.calls.directory.account_named("5000001").unwrap();
    assert_eq!(sub.settings().plan_id, plan_id);
    assert_eq!(acme.write(API, "change-plan", &body).await.ok()["client"], expected, "once more is no fault");
    assert_eq!(acme.write(API, "change-plan", &json!({"login": "alice"})).await.refused(400), "bad_request");
}
