//! Retail prices of a reseller's clients: markups, prices of its own, previews and price lists, compared with charges.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tollgate::accounts::clients;
use tollgate::accounts::clients::NewClient;

use tollgate_rating::Money;

use crate::api::reseller::clients::keys;
use crate::app::TestApp;
use crate::app::book::number;
use crate::app::database::on_both;
use crate::app::decks::{BERLIN, LONDON};
use crate::app::http::Script;

const API: &str = "reseller-api";

/// An amount of an answer, in nanos.
fn nanos(value: &Value) -> i64 {
    Money::parse(&value.to_string()).unwrap().nanos()
}

/// The row of a prefix.
fn row<'a>(rows: &'a Value, prefix: &str) -> &'a Value {
    rows.as_array().unwrap().iter().find(|row| row["prefix"] == prefix).unwrap()
}

async fn preview(reseller: &Script, percent: Value, query: &str) -> Value {
    let endpoint = format!("preview-agent-markup{query}");
    reseller.write(API, &endpoint, &json!({"markup_percent": percent})).await.ok()["preview"].clone()
}

async fn set_markup(reseller: &Script, percent: Value) -> Value {
    let body = json!({"markup_percent": percent});
    reseller.write(API, "set-agent-markup", &body).await.ok()["markup"].clone()
}

impl TestApp {
    /// A client of the reseller's own making, with money; its login.
    async fn rich_client(&self, reseller: &Script) -> String {
        let client = self.created(reseller, &json!({})).await;
        let login = client["login"].as_str().unwrap().to_owned();
        self.credit(&login, "100").await;
        login
    }

    /// The prices a minute that a call is charged by: the client's and the reseller's.
    async fn charged(&self, login: &str, called: &str) -> (i64, i64) {
        let granted = self.dial(login, called).await.allowed();
        self.talk(&granted, 3_000).await;
        let cdr = self.cdr(&granted.dial).await;
        (cdr.payers[0].price, cdr.payers[1].price)
    }
}

on_both!(previewed_prices_are_the_prices_charged_later, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    let acme = app.script("acme").await;
    let login = app.rich_client(&acme).await;
    let now = acme.read(API, "agent-markup").await.ok();
    let plan = app.plan_id("RETAIL-100").await;
    assert_eq!(
        now["markup"],
        json!({"markup_percent": 20, "plan_id": plan, "plan_name": "RETAIL-100", "rates": 6})
    );

    for percent in [json!(50), json!("33.3333"), json!(0)] {
        let shown = preview(&acme, percent.clone(), "").await;
        assert_eq!(keys(&shown), ["limit", "markup_percent", "offset", "rates", "total"].into());
        // Satellites are blocked: they are not sold.
        assert_eq!((shown["rates"].as_array().unwrap().len(), &shown["total"]), (5, &json!(5)));
        for (prefix, called) in [("4930", BERLIN), ("4420", LONDON)] {
            let row = row(&shown["rates"], prefix);
            assert_eq!(keys(row), ["current_price", "destination", "new_price", "prefix", "wholesale"].into());
            let before = app.charged(&login, called).await;
            assert_eq!(before, (nanos(&row["current_price"]), nanos(&row["wholesale"])), "{percent} {prefix}");
        }
        let set = set_markup(&acme, percent.clone()).await;
        assert_eq!(keys(&set), ["changed", "markup_percent", "plan_id"].into());
        assert_eq!((&set["changed"], &set["plan_id"]), (&json!(true), &json!(plan)));
        assert_eq!(set["markup_percent"], shown["markup_percent"]);
        for (prefix, called) in [("4930", BERLIN), ("4420", LONDON)] {
            let row = row(&shown["rates"], prefix);
            let after = app.charged(&login, called).await;
            assert_eq!(after, (nanos(&row["new_price"]), nanos(&row["wholesale"])), "{percent} {prefix}");
        }
    }
    app.assert_right().await;
    app.stop().await;
});

#[tokio::test]
async fn a_preview_can_be_searched_and_paged() {
    let app = TestApp::start().await;
    app.furnish().await;
    let acme = app.script("acme").await;
    let prefixes = async |query: &str| {
        let shown = preview(&acme, json!(10), query).await;
        let rows = shown["rates"].as_array().unwrap().iter().map(|row| row["prefix"].as_str().unwrap());
        (rows.collect::<Vec<_>>().join(" "), shown["total"].as_i64().unwrap())
    };
    assert_eq!(prefixes("&q=44").await, ("4420 4477".to_owned(), 2));
    assert_eq!(prefixes("&q=berlin").await, ("4930".to_owned(), 1));
    assert_eq!(prefixes("&limit=2&offset=1").await, ("4420 4477".to_owned(), 5));
    let long = format!("preview-agent-markup&q={}", "x".repeat(65));
    assert_eq!(acme.write(API, &long, &json!({"markup_percent": 1})).await.refused(400), "bad_request");
    assert_eq!(number(&app.services.store, "SELECT COUNT(*) FROM plan_versions WHERE number > 1").await, 0);
}

#[tokio::test]
async fn an_invalid_markup_is_refused_by_field() {
    let app = TestApp::start().await;
    app.furnish().await;
    let acme = app.script("acme").await;
    for endpoint in ["set-agent-markup", "preview-agent-markup"] {
        for wrong in [json!(-1), json!(1000.0001), json!("x"), json!(0.00001), json!(null), json!([5])] {
            let answered = acme.write(API, endpoint, &json!({"markup_percent": wrong})).await;
            assert_eq!(answered.refused(400), "bad_request", "{wrong}");
            assert_eq!(answered.json()["field"], "markup_percent", "{wrong}");
        }
        assert_eq!(acme.write(API, endpoint, &json!({})).await.json()["field"], "markup_percent");
    }
    assert_eq!(set_markup(&acme, json!(1000)).await["changed"], true);
}

/// A deck as large as the document's plan: 66,875 prefixes of seven digits within Germany, each of its own price.
fn large_deck() -> &'static str {
    let mut deck = "prefix,price_per_minute,destination\n".to_owned();
    for at in 0..66_875 {
        let _ = writeln!(deck, "49{at:05},0.1{at:05},\"Germany, area {}\"", at / 100);
    }
    Box::leak(deck.into_boxed_str())
}

#[tokio::test]
async fn a_markup_applies_to_the_next_call_without_rewriting_rates() {
    let app = TestApp::start().await;
    app.furnish().await;
    app.tariff("sold", large_deck()).await;
    let acme = app.script("acme").await;
    let login = app.rich_client(&acme).await;
    let rows = async |table: &'static str| number(&app.services.store, table).await;
    let counted = async || {
        [
            rows("SELECT COUNT(*) FROM deck_chunks").await,
            rows("SELECT COUNT(*) FROM plan_overrides").await,
            rows("SELECT COUNT(*) FROM tariff_versions").await,
        ]
    };
    let before = counted().await;
    // BERLIN is 4930123…: 0.130123 wholesale.
    assert_eq!(app.charged(&login, BERLIN).await, (156_147_600, 130_123_000));
    let versions = rows("SELECT COUNT(*) FROM plan_versions").await;

    let began = Instant::now();
    let shown = preview(&acme, json!(50), "&q=4930123").await;
    let previewed = began.elapsed();
    let began = Instant::now();
    assert_eq!(set_markup(&acme, json!(50)).await["changed"], true);
    let set = began.elapsed();
    assert_eq!(app.charged(&login, BERLIN).await, (195_184_500, 130_123_000));
    assert_eq!(nanos(&row(&shown["rates"], "4930123")["new_price"]), 195_184_500);
    // Generous: this is not an optimised build, and others use the machine.
    assert!(previewed < Duration::from_secs(5) && set < Duration::from_secs(2), "{previewed:?} {set:?}");
    assert_eq!(counted().await, before);
    assert_eq!(rows("SELECT COUNT(*) FROM plan_versions").await, versions + 1);

    for same in [json!(50), json!("50.0")] {
        assert_eq!(set_markup(&acme, same).await["changed"], false);
    }
    assert_eq!(rows("SELECT COUNT(*) FROM plan_versions").await, versions + 1, "nothing is written");
    assert_eq!(acme.read(API, "plans").await.ok()["plans"][0]["agent_rates"], 66_875);
    assert_eq!(acme.read(API, "agent-markup").await.ok()["markup"]["rates"], 66_875);

    let rates = acme.read(API, &format!("client-rates&login={login}&limit=100&offset=66800")).await.ok();
    assert_eq!((rates["rates"].as_array().unwrap().len(), &rates["total"]), (75, &json!(66_875)));
    app.assert_right().await;
}

on_both!(a_price_of_the_resellers_own_overrides_the_markup_until_removed, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    let acme = app.script("acme").await;
    let login = app.rich_client(&acme).await;
    let set = async |prefix: &str, price: Value| {
        let body = json!({"prefix": prefix, "price_per_minute": price});
        acme.write(API, "set-agent-rate", &body).await
    };
    assert_eq!(
        set("4930", json!("0.0999")).await.ok(),
        json!({"ok": true, "rate": {
            "prefix": "4930", "destination": "Germany, Berlin", "price_per_minute": 0.0999, "overridden": true,
        }})
    );
    assert_eq!(app.charged(&login, BERLIN).await, (99_900_000, 51_730_000));
    let versions = "SELECT COUNT(*) FROM plan_versions";
    let written = number(&app.services.store, versions).await;
    assert_eq!(set("4930", json!(0.09990)).await.ok()["rate"]["overridden"], true);
    assert_eq!(number(&app.services.store, versions).await, written, "the same price again writes nothing");
    let shown = preview(&acme, json!(75), "").await;
    let berlin = row(&shown["rates"], "4930");
    assert_eq!((&berlin["current_price"], &berlin["new_price"]), (&json!(0.0999), &json!(0.0999)));

    // Longer than any prefix of the deck: listed beside it, and charged.
    set("493012", json!(0.5)).await.ok();
    assert_eq!(app.charged(&login, BERLIN).await, (500_000_000, 51_730_000));
    let rates = acme.read(API, &format!("client-rates&login={login}&q=4930")).await.ok();
    let listed: Vec<_> = rates["rates"].as_array().unwrap().iter().map(|row| row["prefix"].clone()).collect();
    assert_eq!(listed, ["4930", "493012"]);
    assert_eq!(acme.read(API, "agent-markup").await.ok()["markup"]["rates"], 7);

    let gone = set("493012", json!(null)).await.ok();
    assert_eq!((&gone["rate"]["overridden"], &gone["rate"]["price_per_minute"]), (&json!(false), &json!(0.0999)));
    let gone = set("4930", json!(null)).await.ok();
    assert_eq!(gone["rate"]["price_per_minute"], json!(0.062_076));
    assert_eq!(app.charged(&login, BERLIN).await, (62_076_000, 51_730_000));
    assert_eq!(set("4930", json!(null)).await.refused(404), "not_found");
    app.assert_right().await;
    app.stop().await;
});

#[tokio::test]
async fn an_invalid_price_or_prefix_is_refused_by_field() {
    let app = TestApp::start().await;
    app.furnish().await;
    let acme = app.script("acme").await;
    let field = async |status, body: Value| {
        let answered = acme.write(API, "set-agent-rate", &body).await;
        answered.refused(status);
        answered.json()["field"].as_str().unwrap_or_default().to_owned()
    };
    for prefix in ["", "+49", "4 9", "1234567890123456", "x"] {
        assert_eq!(
            field(400, json!({"prefix": prefix, "price_per_minute": 1})).await,
            "prefix",
            "{prefix:?}"
        );
    }
    for price in [json!(-0.1), json!("1e3"), json!("0.0000000001"), json!(1_000_001), json!(true)] {
        let body = json!({"prefix": "49", "price_per_minute": price});
        assert_eq!(field(400, body).await, "price_per_minute", "{price}");
    }
    assert_eq!(field(400, json!({"prefix": "49"})).await, "price_per_minute", "left out is not null");
    // Nothing is sold there, and a price alone sells nothing; and what is shorter changes nothing.
    for prefix in ["999", "4"] {
        assert_eq!(field(422, json!({"prefix": prefix, "price_per_minute": 1})).await, "prefix");
    }
    assert_eq!(number(&app.services.store, "SELECT COUNT(*) FROM plan_overrides").await, 0);
}

#[tokio::test]
async fn client_rates_show_retail_prices_only() {
    let app = TestApp::start().await;
    app.furnish().await;
    let acme = app.script("acme").await;
    let login = app.rich_client(&acme).await;
    let answered = acme.read(API, &format!("client-rates&login={login}")).await;
    let rates = answered.ok();
    // The list of what may ever be here.
    let envelope: BTreeSet<&str> = ["limit", "offset", "ok", "rates", "total"].into();
    let allowed: BTreeSet<&str> =
        ["connect_fee", "destination", "increment", "initial_block", "prefix", "price_per_minute"].into();
    assert_eq!(keys(&rates), envelope);
    for row in rates["rates"].as_array().unwrap() {
        assert_eq!(keys(row), allowed);
    }
    let expected = json!([
        {"prefix": "33", "destination": "France", "price_per_minute": 0.084, "connect_fee": 0, "initial_block": 1, "increment": 1},
        {"prefix": "4420", "destination": "United Kingdom, London", "price_per_minute": 0.096, "connect_fee": 0.012,
         "initial_block": 60, "increment": 60},
        {"prefix": "4477", "destination": "United Kingdom, mobile", "price_per_minute": 0.036, "connect_fee": 0,
         "initial_block": 1, "increment": 1},
        {"prefix": "49", "destination": "Germany", "price_per_minute": 0.072, "connect_fee": 0, "initial_block": 1, "increment": 1},
        {"prefix": "4930", "destination": "Germany, Berlin", "price_per_minute": 0.062_076, "connect_fee": 0,
         "initial_block": 1, "increment": 1},
    ]);
    assert_eq!(rates["rates"], expected);
    assert!(!answered.text.contains("0.05173"), "the wholesale price: {}", answered.text);
    let found = acme.read(API, &format!("client-rates&login={login}&q=united&limit=1&offset=1")).await.ok();
    assert_eq!((&found["rates"][0]["prefix"], &found["total"]), (&json!("4477"), &json!(2)));
    assert_eq!(
        acme.read(API, &format!("client-rates&login={login}&limit=0")).await.refused(400),
        "bad_request"
    );
    assert_eq!(app.charged(&login, LONDON).await.0, 96_000_000);

    // A client that the operator put on another plan has that plan's.
    let new = NewClient {
        login: Some("bob".to_owned()),
        reseller: Some("acme".to_owned()),
        plan: "wholesale".to_owned(),
        credit_limit: None,
    };
    clients::create_client(&app.services, new).await.unwrap();
    let rates = acme.read(API, "client-rates&login=bob&q=4930").await.ok();
    assert_eq!(rates["rates"][0]["price_per_minute"], json!(0.051_73));
}
