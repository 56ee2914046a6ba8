//! Message prices: the price lists, and the prices charged to each payer of the chain.

use serde_json::{Value, json};
use tollgate::accounts::ops::AccountChange;
use tollgate::messaging::price::{NoPrice, NoPriceReason, PayerPrice, price};
use tollgate_rating::plan::RoundingMode;

use crate::app::TestApp;
use crate::app::decks::{GERMAN_MOBILE, MESSAGES, NOWHERE, SATELLITE};
use crate::app::house::money;
use crate::app::http::Script;

const API: &str = "sms-api";

impl TestApp {
    async fn furnish_messages(&self) {
        self.furnish().await;
        self.sell_messages("wholesale", "messages", MESSAGES).await;
    }

    fn message(&self, login: &str, number: &str, segments: u16) -> Result<Vec<PayerPrice>, NoPrice> {
        use tollgate::clock::Clock as _;
        let chain = self.calls.directory.account_named(login).unwrap().chain();
        price(&self.calls.catalog.snapshot(), &chain, number.parse().unwrap(), segments, self.clock.now())
    }
}

/// Prefix and price of each row.
async fn rates(script: &Script, parameters: &str) -> Vec<(String, String)> {
    let answer = script.read(API, &format!("rates{parameters}")).await.ok();
    let rows = answer["rates"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    rows.iter().map(|row| (text(&row["prefix"]), text(&row["price"]))).collect()
}

fn listed(rows: &[(&str, &str)]) -> Vec<(String, String)> {
    rows.iter().map(|(prefix, price)| ((*prefix).to_owned(), (*price).to_owned())).collect()
}

#[tokio::test]
async fn rates_show_the_prices_of_the_named_account_only() {
    let app = TestApp::start().await;
    app.furnish_messages().await;
    app.reseller("rival", "wholesale", None).await;
    app.client("bob", Some("rival"), "wholesale").await;
    let retail = listed(&[("12", "0.0240"), ("44", "0.0480"), ("49", "0.0600"), ("4915", "0.03996")]);
    let wholesale = listed(&[("12", "0.0200"), ("44", "0.0400"), ("49", "0.0500"), ("4915", "0.0333")]);
    let (alice, acme, bob) = (app.script("alice").await, app.script("acme").await, app.script("bob").await);
    assert_eq!(rates(&alice, "").await, retail);
    assert_eq!(rates(&alice, "&client_login=alice").await, retail);
    assert_eq!(rates(&acme, "").await, wholesale);
    assert_eq!(rates(&acme, "&client_login=alice").await, retail);

    // Somebody else's, nobody's and what is no client's are one and the same.
    let missing = alice.read(API, "rates&client_login=nobody").await.without_request_id();
    assert_eq!((missing.0, missing.1["field"].as_str()), (404, Some("client_login")));
    for (who, login) in [
        (&alice, "bob"),
        (&alice, "acme"),
        (&acme, "bob"),
        (&acme, "acme"),
        (&acme, "rival"),
        (&bob, "alice"),
    ] {
        let answered = who.read(API, &format!("rates&client_login={login}")).await.without_request_id();
        assert_eq!(answered, missing, "{login}");
    }

    let subaccount =
        alice.post("/api/subaccounts?action=create", &json!({"name": "S", "email": "s@example.com"})).await;
    let id = subaccount.ok()["subaccount"]["id"].as_str().unwrap().to_owned();
    assert_eq!(rates(&app.script(&id).await, "").await, retail);
    app.stop().await;
}

#[tokio::test]
async fn message_rates_can_be_searched_and_paged() {
    let app = TestApp::start().await;
    app.furnish_messages().await;
    let alice = app.script("alice").await;
    assert_eq!(rates(&alice, "&q=%2B49").await, listed(&[("49", "0.0600"), ("4915", "0.03996")]));
    assert_eq!(rates(&alice, "&q=MOBILE").await, listed(&[("4915", "0.03996")]));
    let page = alice.read(API, "rates&limit=2&offset=1").await.ok();
    assert_eq!(page["rates"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&page["limit"], &page["offset"], &page["total"]),
        (&json!(2), &json!(1), &json!(4)),
        "what is blocked is not sold"
    );
    for (parameters, field) in [("&limit=0", "limit"), ("&offset=-1", "offset"), ("&q=%00", "q")] {
        let refused = alice.read(API, &format!("rates{parameters}")).await.without_request_id();
        assert_eq!((refused.0, refused.1["field"].as_str()), (400, Some(field)), "{parameters}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_plan_without_a_message_tariff_sells_no_messages() {
    let app = TestApp::start().await;
    app.furnish().await;
    for login in ["alice", "acme"] {
        let refused = app.script(login).await.read(API, "rates").await.without_request_id();
        assert_eq!((refused.0, refused.1["code"].as_str()), (422, Some("no_prices")), "{login}");
    }
    let refused = app.message("alice", GERMAN_MOBILE, 1).unwrap_err();
    assert_eq!((refused.place, refused.reason.code()), (0, "no_prices"));
    app.stop().await;
}

#[tokio::test]
async fn each_payer_of_the_chain_is_charged_by_its_own_plan() {
    let app = TestApp::start().await;
    app.furnish_messages().await;
    app.derived_plan("dealers", "wholesale", "10").await;
    app.derived_plan("street", "dealers", "50").await;
    app.reseller("dealer", "dealers", Some("acme")).await;
    app.client("carol", Some("dealer"), "street").await;
    let payers = app.message("carol", GERMAN_MOBILE, 3).unwrap();
    let told: Vec<_> = payers
        .iter()
        .map(|payer| {
            (payer.prefix.to_string(), payer.price_per_segment.to_string(), payer.charge.to_string())
        })
        .collect();
    let row = |price: &str, charge: &str| ("4915".to_owned(), price.to_owned(), charge.to_owned());
    // 0.0333 x 3; + 10 %; + 50 % of that
    assert_eq!(told, [row("0.054945", "0.164835"), row("0.03663", "0.10989"), row("0.0333", "0.0999")]);
    assert_eq!(payers.iter().map(|payer| payer.plan_version_ids.len()).collect::<Vec<_>>(), [3, 2, 1]);
    assert!(payers.iter().all(|payer| &*payer.destination == "Germany, mobile"));
    assert!(payers.iter().all(|payer| payer.tariff_version_id == payers[0].tariff_version_id));
    let ids: Vec<_> = ["carol", "dealer", "acme"]
        .iter()
        .map(|login| app.calls.directory.account_named(login).unwrap().id)
        .collect();
    assert_eq!(payers.iter().map(|payer| payer.account_id).collect::<Vec<_>>(), ids);

    app.markup("street", "0").await;
    assert_eq!(app.message("carol", GERMAN_MOBILE, 3).unwrap()[0].charge.to_string(), "0.10989");
    app.stop().await;
}

#[tokio::test]
async fn a_message_charge_is_rounded_once_by_the_plans_rule() {
    use tollgate::catalog::admin::plans::{self, Basis, PlanSpec};
    use tollgate::clock::Clock as _;
    let app = TestApp::start().await;
    app.furnish_messages().await;
    let spec = PlanSpec {
        rounding: Some(RoundingMode::Up),
        decimals: Some(2),
        ..PlanSpec::new("cents", Basis::Plan { name: "wholesale".to_owned(), markup: "20".parse().unwrap() })
    };
    plans::create(&app.services.store, &spec, app.clock.now()).await.unwrap();
    app.calls.catalog.refresh().await.unwrap();
    app.client("carl", Some("acme"), "cents").await;
    let payers = app.message("carl", GERMAN_MOBILE, 10).unwrap();
    assert_eq!(payers[0].price_per_segment, money("0.03996"), "the price itself is not rounded");
    assert_eq!(payers[0].charge, money("0.4"), "0.3996 and not ten times 0.04");
    assert_eq!(payers[1].charge, money("0.333"));
    app.stop().await;
}

#[tokio::test]
async fn messages_without_a_price_or_to_blocked_prefixes_are_refused() {
    let app = TestApp::start().await;
    app.furnish_messages().await;
    let refused = |login: &str, number: &str| {
        let refused = app.message(login, number, 1).unwrap_err();
        (refused.place, refused.login.clone(), refused.reason.code())
    };
    assert_eq!(refused("alice", NOWHERE), (0, "alice".to_owned(), "no_rate"));
    assert_eq!(refused("alice", SATELLITE), (0, "alice".to_owned(), "blocked"));

    // The reseller's own block holds for its clients; a subaccount has its client's.
    let block = |prefix: &str| AccountChange {
        blocked_prefixes: Some(vec![prefix.to_owned()]),
        ..AccountChange::default()
    };
    app.set("acme", block("44")).await;
    assert_eq!(refused("alice", "447712345678"), (1, "acme".to_owned(), "blocked"));
    let alice = app.script("alice").await;
    let made =
        alice.post("/api/subaccounts?action=create", &json!({"name": "S", "email": "s@example.com"})).await;
    let id = made.ok()["subaccount"]["id"].as_str().unwrap().to_owned();
    assert_eq!(app.message(&id, GERMAN_MOBILE, 2).unwrap().len(), 2, "the subaccount in its client's place");
    app.set("alice", block("4915")).await;
    assert_eq!(refused(&id, GERMAN_MOBILE), (0, id.clone(), "blocked"));

    // The ceiling of a minute is none of a message.
    app.set("alice", AccountChange { max_price: Some(Some(money("0.001"))), ..AccountChange::default() })
        .await;
    assert!(app.message("alice", "493012345678", 1).is_ok());

    // Above the client nobody may be without a price.
    app.sell_messages("retail", "own", "prefix,price\n33,0.1\n").await;
    let above = app.message("alice", "33612345678", 1).unwrap_err();
    assert_eq!((above.place, above.login.as_str()), (1, "acme"));
    assert!(matches!(above.reason, NoPriceReason::NoRate(_)));
    app.stop().await;
}
