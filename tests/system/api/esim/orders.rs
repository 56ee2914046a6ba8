//! Orders of eSIM packages: prices, holds, charges, and visibility to other accounts.

use serde_json::{Value, json};
use tollgate::store::esim::EsimPrice;

use crate::app::TestApp;
use crate::app::decks::BERLIN;
use crate::app::esim::{CLIENT_PRICE, PACKAGE, RESELLER_PRICE, Upstream, buy, shown, wait_for};
use crate::app::house::money;
use crate::app::http::Script;
use crate::app::phone::Dial;

const GIGABYTE: i64 = 1_073_741_824;

/// What is left of a hundred.
fn left(spent: &str) -> String {
    money("100").checked_sub(money(spent)).unwrap().to_string()
}

#[tokio::test]
async fn the_price_is_held_until_the_esim_is_allocated_and_then_charged_to_client_and_reseller() {
    let upstream = Upstream::start(800).await;
    let app = TestApp::selling(&upstream).await;
    let alice = app.script("alice").await;
    let order = buy(&alice).await;
    assert_eq!((&order["status"], &order["price"]), (&json!("PENDING"), &json!(CLIENT_PRICE)));
    for unknown in ["iccid", "activation_code", "qr_code_url", "total_bytes", "remaining_bytes", "expires_at"]
    {
        assert_eq!(order[unknown], Value::Null, "{unknown}");
    }
    assert_eq!(
        (app.held("alice").await, app.held("acme").await),
        (CLIENT_PRICE.into(), RESELLER_PRICE.into())
    );
    assert_eq!(app.balance("alice").await, "100");

    let row = wait_for(&alice, &order, "ALLOCATED").await;
    assert_eq!((app.held("alice").await, app.held("acme").await), ("0".into(), "0".into()));
    assert_eq!(
        (app.balance("alice").await, app.balance("acme").await),
        (left(CLIENT_PRICE), left(RESELLER_PRICE))
    );
    assert_eq!(row["package_name"], "Europe (35 areas) 1GB 7Days");
    assert!(row["activation_code"].as_str().unwrap().starts_with("LPA:1$"), "{row}");
    assert!(row["iccid"].as_str().unwrap().starts_with("89"), "{row}");
    let bytes = |row: &Value| {
        ["total_bytes", "used_bytes", "remaining_bytes"].map(|name| row[name].as_i64().unwrap())
    };
    assert_eq!(bytes(&row), [GIGABYTE, 0, GIGABYTE]);

    // The picture needs no key, and its name is the whole secret.
    let url = row["qr_code_url"].as_str().unwrap();
    let path = url.strip_prefix(&format!("http://{}", app.http)).unwrap_or_else(|| panic!("{url}"));
    let picture = app.stranger().get(path).await;
    assert_eq!((picture.status, &picture.headers["content-type"]), (200, &"image/svg+xml".parse().unwrap()));
    assert!(picture.text.contains("<svg"), "{}", picture.text);
    for wrong in [
        "/esim-qr/0123456789abcdef0123456789abcdef.svg",
        "/esim-qr/%00.svg",
        "/esim-qr/..%2f.svg",
        "/esim-qr/x",
    ] {
        app.stranger().get(wrong).await.refused(404);
    }

    // Once it is used, the upstream says how much.
    upstream.live(&upstream.orders()[0], "IN_USE", 1_000_000).await;
    let path = format!("sync-order&order_id={}", order["order_id"]);
    let row = alice.read("esim-api", &path).await.ok()["order"].clone();
    assert_eq!(row["status"], "IN_USE");
    assert_eq!(bytes(&row), [GIGABYTE, 1_000_000, GIGABYTE - 1_000_000]);
    // Asked again at once, it is what is known: the upstream is left alone.
    upstream.live(&upstream.orders()[0], "USED_UP", GIGABYTE).await;
    let asked = upstream.asked("esim/query").await;
    assert_eq!(alice.read("esim-api", &path).await.ok()["order"], row);
    assert_eq!(upstream.asked("esim/query").await, asked);
    assert_eq!(upstream.orders().len(), 1);
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test]
async fn a_reseller_and_the_reseller_above_it_pay_for_its_esim() {
    let upstream = Upstream::start(0).await;
    let app = TestApp::selling(&upstream).await;
    app.reseller("sub", "wholesale", Some("acme")).await;
    app.credit("sub", "10").await;
    let sub = app.script("sub").await;
    let order = buy(&sub).await;
    assert_eq!(order["price"], RESELLER_PRICE);
    wait_for(&sub, &order, "ALLOCATED").await;
    let ten = money("10").checked_sub(money(RESELLER_PRICE)).unwrap().to_string();
    assert_eq!((app.balance("sub").await, app.balance("acme").await), (ten, left(RESELLER_PRICE)));
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test]
async fn clients_and_resellers_see_their_own_prices() {
    let upstream = Upstream::start(0).await;
    let app = TestApp::selling(&upstream).await;
    let (alice, acme) = (app.script("alice").await, app.script("acme").await);
    let found = |answer: Value| {
        let rows = answer["packages"].as_array().unwrap().clone();
        rows.into_iter().find(|row| row["package_code"] == PACKAGE).unwrap_or_else(|| panic!("{answer}"))
    };
    let q = "packages&q=europe%201gb%207days&limit=200";
    assert_eq!(found(alice.read("esim-api", q).await.ok())["price"], CLIENT_PRICE);
    assert_eq!(found(acme.read("esim-api", q).await.ok())["price"], RESELLER_PRICE);
    // Cheapest first, a page at a time, each once.
    let page = async |offset: usize| {
        let answer =
            alice.read("esim-api", &format!("packages&q=Germany&limit=7&offset={offset}")).await.ok();
        (answer["packages"].as_array().unwrap().clone(), answer["total"].as_u64().unwrap())
    };
    let (mut rows, total) = page(0).await;
    while rows.len() < usize::try_from(total).unwrap() {
        rows.extend(page(rows.len()).await.0);
    }
    let key = |row: &Value| {
        (money(row["price"].as_str().unwrap()), row["package_code"].as_str().unwrap().to_owned())
    };
    assert!(rows.len() > 20 && rows.windows(2).all(|pair| key(&pair[0]) < key(&pair[1])), "{rows:#?}");
    assert_eq!(alice.read("esim-api", "packages&q=Atlantis").await.ok()["packages"], json!([]));
    assert_eq!(
        alice.read("esim-api", &format!("packages&q={}", "x".repeat(101))).await.refused(400),
        "bad_request"
    );
    alice.read("esim-api", "coverage&package_code=NONE").await.refused(404);
    let coverage = alice.read("esim-api", &format!("coverage&package_code={PACKAGE}")).await.ok();
    assert_eq!(coverage["coverage"].as_array().unwrap().len(), 35);
    app.stop().await;
}

#[tokio::test]
async fn only_listed_packages_can_be_bought() {
    let upstream = Upstream::start(0).await;
    let app = TestApp::selling(&upstream).await;
    app.client("dora", None, "retail").await;
    app.credit("dora", "10").await;
    let fix = async |client: &str, reseller: &str| {
        let price = EsimPrice {
            package_code: PACKAGE.to_owned(),
            client: Some(money(client)),
            reseller: Some(money(reseller)),
            allow_loss: false,
        };
        let mut tx = app.services.store.begin().await.unwrap();
        tx.catalog_ids(0).await.unwrap();
        tx.put_esim_price(&price, tollgate::clock::Clock::now(&*app.clock)).await.unwrap();
        tx.commit().await.unwrap();
        app.esim.reload().await.unwrap();
    };
    let agree = async |login: &str, expected: Option<&str>| {
        let script = app.script(login).await;
        let found = script.read("esim-api", &format!("packages&q={PACKAGE}")).await.ok();
        assert_eq!(found["packages"][0]["price"].as_str(), expected, "{login}");
        let bought = script.write("esim-api", "buy", &json!({ "package_code": PACKAGE })).await;
        match expected {
            Some(price) => {
                let order = bought.ok()["order"].clone();
                assert_eq!(order["price"], price);
                wait_for(&script, &order, "ALLOCATED").await;
            }
            None => assert_eq!(bought.refused(422), "unavailable", "{login}"),
        }
    };
    fix("0.90", "0.70").await;
    for (login, price) in [("dora", "0.9000"), ("alice", "0.9000"), ("acme", "0.7000")] {
        agree(login, Some(price)).await;
    }
    // 0.62 dollars cost 0.7006: the reseller would buy below the cost, and with its clients it is the one who pays.
    app.dollars("1.13").await;
    for (login, price) in [("dora", Some("0.9000")), ("alice", None), ("acme", None)] {
        agree(login, price).await;
    }
    // Below the reseller's price: who has no reseller takes nothing from one.
    app.dollars("0.9215").await;
    fix("0.65", "0.70").await;
    for (login, price) in [("dora", Some("0.6500")), ("alice", None), ("acme", Some("0.7000"))] {
        agree(login, price).await;
    }
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test]
async fn another_accounts_order_is_not_found() {
    let upstream = Upstream::start(0).await;
    let app = TestApp::selling(&upstream).await;
    let (alice, acme) = (app.script("alice").await, app.script("acme").await);
    let order = buy(&alice).await;
    let anothers = acme.read("esim-api", &format!("sync-order&order_id={}", order["order_id"])).await;
    let missing = acme.read("esim-api", "sync-order&order_id=999999999").await;
    assert_eq!(anothers.status, 404);
    assert_eq!(anothers.without_request_id(), missing.without_request_id());
    assert_eq!(acme.read("esim-api", "orders").await.ok()["orders"], json!([]));
    assert_eq!(acme.read("esim-api", "sync-order&order_id=one").await.refused(400), "bad_request");
    alice.write("esim-api", "buy", &json!({ "package_code": "NOSUCH" })).await.refused(404);
    wait_for(&alice, &order, "ALLOCATED").await;
    app.stop().await;
}

#[tokio::test]
async fn concurrent_orders_never_exceed_the_credit_including_live_calls() {
    let upstream = Upstream::start(300).await;
    let app = TestApp::selling(&upstream).await;
    let alice = app.script("alice").await;
    app.leave("alice", CLIENT_PRICE).await;
    let body = json!({ "package_code": PACKAGE });
    let tries = (0..8).map(|_| alice.write("esim-api", "buy", &body));
    let answered = futures::future::join_all(tries).await;
    let bought: Vec<_> = answered.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(bought.len(), 1);
    for refused in answered.iter().filter(|answer| answer.status != 200) {
        assert_eq!(refused.refused(402), "no_credit");
    }
    wait_for(&alice, &bought[0].ok()["order"], "ALLOCATED").await;
    assert_eq!((app.balance("alice").await, upstream.orders().len()), ("0".to_owned(), 1));

    // What a call holds cannot be spent beside it.
    app.leave("alice", "1").await;
    let _call = Dial::new("alice", BERLIN).ask(app.fastagi).await.allowed();
    let held = money(&app.held("alice").await);
    app.leave("alice", &held.checked_add(money("0.7427")).unwrap().to_string()).await;
    assert_eq!(alice.write("esim-api", "buy", &body).await.refused(402), "no_credit");
    assert_eq!(upstream.orders().len(), 1);
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test]
async fn a_resellers_missing_credit_is_not_revealed_to_its_client() {
    let upstream = Upstream::start(0).await;
    let app = TestApp::selling(&upstream).await;
    let (alice, acme) = (app.script("alice").await, app.script("acme").await);
    app.leave("acme", "0.6284").await;
    let body = json!({ "package_code": PACKAGE });
    let refused = alice.write("esim-api", "buy", &body).await;
    assert_eq!(refused.refused(422), "unavailable");
    assert!(!refused.text.contains("credit") && !refused.text.contains("acme"), "{refused:?}");
    assert_eq!(acme.write("esim-api", "buy", &body).await.refused(402), "no_wholesale_credit");
    assert_eq!((app.held("alice").await, app.held("acme").await), ("0".into(), "0".into()));
    assert!(upstream.orders().is_empty());
    app.stop().await;
}

#[tokio::test]
async fn a_repeated_order_with_an_idempotency_key_is_one_order() {
    let upstream = Upstream::start(0).await;
    let app = TestApp::selling(&upstream).await;
    let alice = app.script("alice").await;
    let ask = async |body: Value| {
        let headers = [("Content-Type", "application/json"), ("Idempotency-Key", "once")];
        let path = "/esim-api/index.php?endpoint=buy";
        alice.ask(hyper::Method::POST, path, &headers, body.to_string()).await
    };
    let first = ask(json!({ "package_code": PACKAGE })).await.ok();
    let order = &first["order"];
    wait_for(&alice, order, "ALLOCATED").await;
    assert_eq!(ask(json!({ "package_code": PACKAGE })).await.ok(), first);
    assert_eq!(ask(json!({ "package_code": "OTHER" })).await.refused(409), "idempotency_key_taken");
    assert_eq!((upstream.orders().len(), app.balance("alice").await), (1, left(CLIENT_PRICE)));
    app.stop().await;
}

#[tokio::test]
async fn a_subaccounts_esim_counts_in_its_usage() {
    let upstream = Upstream::start(0).await;
    let app = TestApp::selling(&upstream).await;
    let alice = app.script("alice").await;
    let made = alice
        .post("/api/subaccounts?action=create", &json!({ "name": "Jane", "email": "jane@example.com" }))
        .await
        .ok();
    let id = made["subaccount"]["id"].as_str().unwrap().to_owned();
    let moved = json!({ "id": id, "amount": 5 });
    assert_eq!(alice.post("/api/subaccounts?action=transfer_credits", &moved).await.ok()["success"], true);
    let jane = app.script(&id).await;
    let order = buy(&jane).await;
    wait_for(&jane, &order, "ALLOCATED").await;
    let read = alice.post("/api/subaccounts?action=read", &json!({})).await.ok();
    assert_eq!(read[0]["total_usage"], CLIENT_PRICE, "{read}");
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test]
async fn many_notifications_cause_one_query_and_none_is_trusted() {
    let upstream = Upstream::start(0).await;
    let app = TestApp::start_with(|config| {
        upstream.configure(config);
        config.http.address_requests_per_minute = 6_000;
    })
    .await;
    app.sells().await;
    let alice = app.script("alice").await;
    let order = buy(&alice).await;
    wait_for(&alice, &order, "ALLOCATED").await;
    let number = upstream.orders()[0].order_no.clone();
    let notice =
        json!({ "notifyType": "ESIM_STATUS", "content": { "orderNo": number, "esimStatus": "USED_UP" } });
    for wrong in ["/esim-webhook/wrong", "/esim-webhook/", "/esim-webhook/a-webhook-token-of-our"] {
        app.stranger().post(wrong, &notice).await.refused(404);
    }
    let asked = upstream.asked("esim/query").await;
    let right = "/esim-webhook/a-webhook-token-of-ours";
    let script = app.stranger();
    // No more than one address may ask for at once.
    for _ in 0..4 {
        let all = (0..10).map(|_| script.post(right, &notice));
        assert!(futures::future::join_all(all).await.iter().all(|answer| answer.status == 200));
    }
    for odd in [json!([]), json!({ "content": { "orderNo": "B0" } }), json!({ "content": 7 }), json!("x")] {
        assert_eq!(script.post(right, &odd).await.status, 200);
    }
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let questions = upstream.asked("esim/query").await - asked;
    assert!((1..=6).contains(&questions), "{questions} questions for forty notices of some seconds");
    assert_eq!(shown(&alice, &order).await["status"], "ALLOCATED");
    // What the upstream itself says is believed.
    upstream.live(&upstream.orders()[0], "USED_UP", GIGABYTE).await;
    script.post(right, &notice).await.ok();
    assert_eq!(wait_for(&alice, &order, "USED_UP").await["remaining_bytes"], 0);
    let large = Script { at: app.http, key: None };
    let headers = [("Content-Type", "application/json")];
    let answered = large.ask(hyper::Method::POST, right, &headers, "x".repeat(3_000_000)).await;
    assert_eq!(answered.status, 413);
    app.stop().await;
}

#[tokio::test]
async fn disabled_esims_are_refused_with_not_offered() {
    let app = TestApp::start().await;
    app.furnish().await;
    let alice = app.script("alice").await;
    assert_eq!(alice.read("esim-api", "packages").await.refused(422), "not_offered");
    let body = json!({ "package_code": PACKAGE });
    assert_eq!(alice.write("esim-api", "buy", &body).await.refused(422), "not_offered");
    assert_eq!(alice.read("esim-api", "balance").await.ok()["balance"], "100.0000");
    assert_eq!(alice.read("esim-api", "orders").await.ok()["total"], 0);
    app.stranger().post("/esim-webhook/a-webhook-token-of-ours", &json!({})).await.refused(404);
    app.stop().await;
}
