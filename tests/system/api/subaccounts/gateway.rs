//! The subaccounts API, with requests in every form that the gateway's clients use.

use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::Method;
use md5::{Digest as _, Md5};
use serde_json::{Value, json};
use tollgate::accounts::keys;
use tollgate::accounts::ops::AccountChange;
use tollgate::catalog::admin::plans::Basis;
use tollgate::clock::Clock as _;
use tollgate::peers;

use crate::app::TestApp;
use crate::app::database::on_both;
use crate::app::decks::{BERLIN, LONDON};
use crate::app::house::money;
use crate::app::http::{Answered, Script};
use crate::app::phone::End;

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("Content-Type", "application/json");

async fn house() -> (TestApp, Script) {
    let app = TestApp::start().await;
    app.furnish().await;
    let script = app.script("alice").await;
    (app, script)
}

/// As `curl -X POST …?action=ACTION -d BODY` sends it.
async fn curl(script: &Script, action: &str, body: &str) -> Answered {
    script.ask(Method::POST, &format!("/api/subaccounts?action={action}"), &[FORM], body.to_owned()).await
}

/// Makes a subaccount; its id.
async fn made(script: &Script) -> String {
    let answer = curl(script, "create", r#"{"name":"John Doe","email":"john.doe@acme-inc.com"}"#).await.ok();
    answer["subaccount"]["id"].as_str().unwrap().to_owned()
}

async fn read(script: &Script) -> Vec<Value> {
    curl(script, "read", "").await.ok().as_array().unwrap().clone()
}

/// The text of a failure, which has these two fields and no others.
fn failure(answered: &Answered) -> String {
    let json = answered.ok();
    assert_eq!(json["success"], false, "{json}");
    assert_eq!(json.as_object().unwrap().len(), 2, "{json}");
    json["error"].as_str().unwrap().to_owned()
}

fn done() -> Value {
    json!({ "success": true, "error": null })
}

#[tokio::test]
async fn the_documented_subaccount_requests_get_the_documented_answers() {
    let (app, script) = house().await;
    assert_eq!(curl(&script, "read", "").await.text, "[]");
    let created =
        curl(&script, "create", "{ \"name\": \"John Doe\", \"email\": \"john.doe@acme-inc.com\" }").await;
    assert_eq!(created.headers["content-type"], "application/json");
    let id = created.ok()["subaccount"]["id"].as_str().unwrap().to_owned();
    assert!((7..=9).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit()), "{id}");
    assert_eq!(
        created.text,
        format!(
            "{{\"success\":true,\"error\":null,\"subaccount\":{{\"id\":\"{id}\",\"username\":null,\"company\":null,\
             \"balance\":0,\"total_usage\":0,\"auto_topup\":{{\"threshold\":0,\"amount\":0}},\
             \"contact\":{{\"name\":\"John Doe\",\"email\":\"john.doe@acme-inc.com\"}}}}}}"
        )
    );
    let unset = json!({ "threshold": null, "amount": null });
    assert_eq!(read(&script).await[0]["auto_topup"], unset);

    let transfer = format!("{{ \"id\": \"{id}\", \"amount\": 12.00 }}");
    assert_eq!(curl(&script, "transfer_credits", &transfer).await.ok(), done());
    let update = format!("{{ \"id\": \"{id}\", \"threshold\": 20.00, \"amount\": 50.00 }}");
    assert_eq!(curl(&script, "update", &update).await.ok(), done());
    assert_eq!(
        read(&script).await,
        [json!({
            "id": id,
            "username": null,
            "company": null,
            "balance": "12.0000",
            "total_usage": "0.0000",
            "auto_topup": { "threshold": "20", "amount": "50" },
            "contact": { "name": "John Doe", "email": "john.doe@acme-inc.com" },
        })]
    );
    assert_eq!(app.balance("alice").await, "88");
    assert_eq!(app.balance("acme").await, "100", "a reseller's wholesale balance is left alone");

    assert_eq!(curl(&script, "delete", &format!("{{ \"id\": \"{id}\" }}")).await.ok(), done());
    assert_eq!(curl(&script, "read", "").await.text, "[]");
    assert_eq!(app.balance("alice").await, "100");
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test]
async fn parameters_of_all_known_client_libraries_are_understood() {
    let app = TestApp::start_with(|config| config.api.key_in_parameters = true).await;
    app.furnish().await;
    let script = app.script("alice").await;
    let key = script.key.clone().unwrap();
    let stranger = app.stranger();
    let (bearer, raw) = (format!("Bearer {key}"), format!("Basic {key}"));
    let ask = |method: Method, path: String, headers: Vec<(&'static str, String)>, body: String| {
        let stranger = stranger.clone();
        async move {
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            stranger.ask(method, &path, &headers, body).await
        }
    };
    let form = || ("content-type", "application/x-www-form-urlencoded".to_owned());
    let json_type = || ("content-type", "application/json".to_owned());
    let key_header = || ("x-api-key", key.clone());
    let (get, post) = (Method::GET, Method::POST);

    // @seven.io/client: the action in the path, JSON, numbers, a content type on GET as well.
    let path = |action: &str| format!("/api/subaccounts/{action}");
    let js = vec![("authorization", bearer.clone()), json_type(), ("sentwith", "js".to_owned())];
    let body = r#"{"email":"a@b.de","name":"Jane"}"#.to_owned();
    let one = ask(post.clone(), path("create"), js.clone(), body).await.ok();
    let id = one["subaccount"]["id"].as_str().unwrap().to_owned();
    let listed = ask(get.clone(), path("read?id=undefined"), js.clone(), String::new()).await.ok();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    for (action, body) in [
        ("transfer_credits", format!(r#"{{"id":{id},"amount":1}}"#)),
        ("update", format!(r#"{{"id":{id},"threshold":0,"amount":0}}"#)),
    ] {
        assert_eq!(ask(post.clone(), path(action), js.clone(), body).await.ok(), done());
    }
    assert_eq!(read(&script).await[0]["auto_topup"], json!({ "threshold": "0", "amount": "0" }));
    // sms77-client, PHP, Rust, Elixir: the action in a form, or in the query of a GET.
    let plain = "/api/subaccounts".to_owned();
    let php = vec![key_header(), form()];
    let body = format!("action=transfer_credits&id={id}&amount=2.5&sentWith=js");
    assert_eq!(ask(post.clone(), plain.clone(), php.clone(), body).await.ok(), done());
    let listed = ask(get.clone(), format!("{plain}?action=read&id={id}"), php, String::new()).await.ok();
    assert_eq!(listed[0]["balance"], "3.5000");
    // Go: the key itself as basic authorisation.
    let go = vec![("authorization", raw), form()];
    let body = "action=create&email=go%40b.de&name=G+O".to_owned();
    assert_eq!(ask(post.clone(), plain.clone(), go, body).await.ok()["subaccount"]["contact"]["name"], "G O");
    // Everybody else's basic authorisation.
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{key}:"));
    let basic = vec![("authorization", format!("Basic {pair}"))];
    assert_eq!(ask(get.clone(), path("list"), basic, String::new()).await.ok().as_array().unwrap().len(), 2);
    // Python: everything in the query of a POST, the key too, no body and no header.
    let python = |action: &str, rest: &str| format!("{plain}?action={action}&p={key}&{rest}");
    let listed = ask(post.clone(), python("read", ""), vec![], String::new()).await.ok();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let moved = python("transfer_credits", &format!("id={id}&amount=0.5"));
    assert_eq!(ask(post.clone(), moved, vec![], String::new()).await.ok(), done());
    // .NET: the key twice. The document's edition in English: GET with everything in the query, `write` for `create`.
    let net = vec![key_header(), form()];
    let body = format!("p={key}&sentWith=CSharp&action=update&id={id}&threshold=0&amount=0");
    assert_eq!(ask(post.clone(), plain.clone(), net, body).await.ok(), done());
    let write = format!("{plain}?action=write&name=W&email=w@b.de");
    assert_eq!(ask(get.clone(), write, vec![key_header()], String::new()).await.ok()["success"], true);
    // n8n: JSON, the action in the query, ids as text; and a type that says something else.
    for content in ["application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded"] {
        let headers = vec![key_header(), ("content-type", content.to_owned())];
        let body = format!(r#"{{"id":"{id}","amount":"1","other":[1]}}"#);
        let path = format!("{plain}?action=transfer_credits&amount=50");
        assert_eq!(ask(post.clone(), path, headers, body).await.ok(), done(), "{content}");
    }
    let listed = ask(get, format!("{}?id={id}", path("read")), vec![key_header()], String::new()).await.ok();
    assert_eq!(listed[0]["balance"], "7.0000");
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test]
async fn refusals_have_the_gateways_texts_and_status_200() {
    let (app, script) = house().await;
    app.client("bob", None, "retail").await;
    let others = made(&app.script("bob").await).await;
    let id = made(&script).await;
    let email = "Please enter a valid email address for the subaccount.";
    for (action, body, text) in [
        ("create", "email=&name=", email),
        ("create", r#"{"name":"x","email":"nobody"}"#, email),
        ("create", "", email),
        ("create", "email=a%40b.de&name=a%0Ab", "Invalid name"),
        ("delete", "id=", "Subaccount not found"),
        ("delete", "id=1", "Subaccount not found"),
        ("delete", "id=alice", "Subaccount not found"),
        ("delete", &format!("id={others}"), "Subaccount not found"),
        ("transfer_credits", "amount=&id=", "Invalid amount"),
        ("transfer_credits", "amount=1&id=1", "Subaccount not found"),
        ("transfer_credits", &format!("amount=1&id={others}"), "Subaccount not found"),
        ("transfer_credits", &format!("amount=100.000001&id={id}"), "Not enough credits"),
        ("update", "amount=&id=&threshold=", "Subaccount not found"),
        ("update", &format!("amount=1&threshold=1&id={others}"), "Subaccount not found"),
        ("update", &format!("amount=1&threshold=x&id={id}"), "Invalid threshold"),
        ("update", &format!("amount=-1&threshold=1&id={id}"), "Invalid amount"),
        ("", "", "Invalid request"),
        ("drop", "", "Invalid request"),
        ("read", "{", "Invalid request"),
        ("read", "[1]", "Invalid request"),
    ] {
        assert_eq!(failure(&curl(&script, action, body).await), text, "{action} {body}");
    }
    for amount in ["0", "-1", "0.0000001", "1000000.01", "1e3", "1_0", "NaN", "true", "[1]", "9e999", "\"\""]
    {
        let body = format!("{{\"id\":\"{id}\",\"amount\":{amount}}}");
        let answered = curl(&script, "transfer_credits", &body).await;
        assert!(["Invalid amount", "Invalid request"].contains(&failure(&answered).as_str()), "{amount}");
    }
    assert_eq!(curl(&script, "read", "id=1").await.text, "[]");
    assert_eq!(curl(&script, "read", &format!("id={others}")).await.text, "[]");
    assert_eq!(read(&script).await.len(), 1);
    assert_eq!(app.balance("alice").await, "100");

    let deleted = script.ask(Method::DELETE, "/api/subaccounts?action=read", &[], "").await;
    assert_eq!((deleted.status, &deleted.headers["allow"]), (405, &"GET, POST".parse().unwrap()));
    let large = curl(&script, "create", &"x".repeat(300_000)).await;
    assert_eq!((large.status, &large.json()["success"]), (413, &json!(false)));
    app.stop().await;
}

#[tokio::test]
async fn an_invalid_key_gets_900_only() {
    let (app, script) = house().await;
    let id = made(&script).await;
    let stranger = app.stranger();
    let path = "/api/subaccounts?action=read";
    let key = script.key.clone().unwrap();
    let bare = |answered: Answered| assert_eq!((answered.status, answered.text.as_str()), (200, "900"));
    bare(stranger.get(path).await);
    bare(stranger.get(&format!("{path}&p={key}")).await);
    bare(stranger.ask(Method::POST, path, &[JSON], format!("{{\"p\":\"{key}\"}}")).await);
    for header in [
        ("X-Api-Key", "nobody"),
        ("X-Api-Key", ""),
        ("Authorization", "Bearer nobody"),
        ("Authorization", "Basic !"),
        ("Authorization", "Bearer"),
    ] {
        bare(stranger.ask(Method::GET, path, &[header], "").await);
    }
    bare(stranger.get("/api/subaccounts?action=nothing").await);
    let revoked = keys::create(&app.services, "alice", false).await.unwrap();
    keys::revoke(&app.services, revoked.id).await.unwrap();
    bare(Script { key: Some(revoked.key), ..stranger.clone() }.get(path).await);

    // Good keys that have no subaccounts.
    for login in ["acme", &id] {
        assert!(failure(&app.script(login).await.get(path).await).contains("subaccount"));
    }
    app.set("alice", AccountChange { active: Some(false), ..AccountChange::default() }).await;
    assert_eq!(read(&script).await.len(), 1);
    assert_eq!(failure(&curl(&script, "delete", &format!("id={id}")).await), "The account is disabled");
    app.stop().await;
}

#[tokio::test]
async fn too_many_requests_get_429_with_retry_after() {
    let app = TestApp::start_with(|config| {
        config.http.key_requests_per_minute = 2;
        config.http.address_requests_per_minute = 2;
    })
    .await;
    app.furnish().await;
    for script in [app.script("alice").await, app.stranger()] {
        for _ in 0..2 {
            assert_eq!(script.get("/api/subaccounts?action=read").await.status, 200);
        }
        let refused = script.get("/api/subaccounts?action=read").await;
        assert_eq!(refused.status, 429);
        assert_eq!(refused.json()["success"], false);
        assert!(refused.headers.contains_key("retry-after"));
    }
    app.stop().await;
}

#[tokio::test]
async fn a_numbers_key_gets_ids_and_amounts_as_numbers() {
    let (app, script) = house().await;
    let id = made(&script).await;
    curl(&script, "transfer_credits", &format!("id={id}&amount=36.81")).await.ok();
    let numbers = keys::create(&app.services, "alice", true).await.unwrap();
    let numbers = Script { key: Some(numbers.key), ..script.clone() };
    let text = curl(&numbers, "read", "").await.text;
    assert_eq!(
        text,
        format!(
            "[{{\"id\":{id},\"username\":null,\"company\":null,\"balance\":36.81,\"total_usage\":0,\
             \"auto_topup\":{{\"threshold\":0,\"amount\":0}},\
             \"contact\":{{\"name\":\"John Doe\",\"email\":\"john.doe@acme-inc.com\"}}}}]"
        )
    );
    let created = curl(&numbers, "create", "name=&email=a%40b.de&company=Company+1").await.ok();
    assert!(created["subaccount"]["id"].is_u64(), "{created}");
    assert_eq!(created["subaccount"]["company"], "Company 1");
    app.stop().await;
}

on_both!(concurrent_transfers_never_exceed_the_clients_balance, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    app.leave("alice", "12.5").await;
    let change = AccountChange { credit_limit: Some(money("1000")), ..AccountChange::default() };
    app.set("alice", change).await;
    let script = app.script("alice").await;
    let ids = [made(&script).await, made(&script).await];
    let transfers = (0..100).map(|n| {
        let (script, id) = (script.clone(), ids[n % 2].clone());
        tokio::spawn(async move { curl(&script, "transfer_credits", &format!("id={id}&amount=1")).await })
    });
    let transfers: Vec<_> = transfers.collect();
    let mut succeeded = 0;
    for transfer in transfers {
        let answered = transfer.await.unwrap();
        if answered.ok()["success"] == true {
            succeeded += 1;
        } else {
            assert_eq!(failure(&answered), "Not enough credits");
        }
    }
    assert_eq!(succeeded, 12, "a credit limit is not given away");
    assert_eq!(app.balance("alice").await, "0.5");
    app.assert_right().await;
    app.stop().await;
});

on_both!(a_repeated_transfer_with_an_idempotency_key_takes_effect_once, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    let script = app.script("alice").await;
    let id = made(&script).await;
    let ask = |amount: &'static str| {
        let (script, id) = (script.clone(), id.clone());
        async move {
            let body = format!("id={id}&amount={amount}");
            let path = "/api/subaccounts?action=transfer_credits";
            script.ask(Method::POST, path, &[FORM, ("Idempotency-Key", "invoice-7")], body).await
        }
    };
    let asked: Vec<_> = (0..20).map(|_| tokio::spawn(ask("60"))).collect();
    for asked in asked {
        assert_eq!(asked.await.unwrap().ok(), done());
    }
    assert_eq!(app.balance(&id).await, "60");
    // 40 are left, less than it would take.
    assert_eq!(ask("60").await.ok(), done());
    assert!(failure(&ask("61").await).contains("Idempotency-Key"));
    let database = app.stop().await;
    let app = TestApp::on(database, |_| {}).await;
    let script = Script { at: app.http, ..script };
    let body = format!("id={id}&amount=60");
    let path = "/api/subaccounts?action=transfer_credits";
    let again = script.ask(Method::POST, path, &[FORM, ("Idempotency-Key", "invoice-7")], body).await;
    assert_eq!(again.ok(), done());
    assert_eq!((app.balance("alice").await, app.balance(&id).await), ("40".to_owned(), "60".to_owned()));
    app.assert_right().await;
    app.stop().await;
});

#[tokio::test]
async fn a_subaccount_calls_from_its_own_wallet_within_its_clients_limits() {
    let (app, script) = house().await;
    let id = made(&script).await;
    let phone = peers::ops::create(&app.services, &id, None).await.unwrap();
    assert_eq!((phone.peer.name.as_str(), phone.peer.main), (id.as_str(), true));
    let second = peers::ops::create(&app.services, &id, None).await.unwrap();
    assert!(!second.peer.main && second.peer.name != id);
    assert!(peers::ops::delete(&app.services, &id, &id).await.is_err(), "the main SIP account stays");
    assert_eq!(app.dial(&id, BERLIN).await.reason(), "no_credit");
    curl(&script, "transfer_credits", &format!("id={id}&amount=1")).await.ok();
    let granted = app.dial(&id, BERLIN).await.allowed();
    app.talk(&granted, 60_000).await;
    // 0.062076 a minute retail, 0.05173 wholesale; the client's own purse has no part in it.
    assert_eq!(app.balance(&id).await, "0.937924");
    assert_eq!(app.balance("alice").await, "99");
    assert_eq!(app.balance("acme").await, "99.94827");
    let shown = read(&script).await;
    assert_eq!((&shown[0]["balance"], &shown[0]["total_usage"]), (&json!("0.937924"), &json!("0.062076")));
    let view = app.show(&id).await;
    assert_eq!((view.account.kind.as_str(), view.reseller.as_deref()), ("subaccount", Some("alice")));
    let me = app.script(&id).await.read("client-api", "me").await.ok();
    assert_eq!((&me["data"]["username"], &me["data"]["balance"]), (&json!(id), &json!("0.937924")));

    let blocked = Some(vec!["4930".to_owned()]);
    app.set("alice", AccountChange { blocked_prefixes: blocked, ..AccountChange::default() }).await;
    assert_eq!(app.dial(&id, BERLIN).await.reason(), "blocked");
    let cheap = AccountChange {
        blocked_prefixes: Some(Vec::new()),
        max_price: Some(Some(money("0.07"))),
        ..AccountChange::default()
    };
    app.set("alice", cheap).await;
    assert_eq!(app.dial(&id, LONDON).await.reason(), "blocked");
    app.set("alice", AccountChange { active: Some(false), ..AccountChange::default() }).await;
    assert_eq!(app.dial(&id, BERLIN).await.reason(), "inactive");
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test]
async fn a_subaccount_follows_its_client_to_another_plan() {
    let (app, script) = house().await;
    let id = made(&script).await;
    app.plan("cheap", Basis::Tariff("sold".to_owned())).await;
    let plan_id = app.services.store.plan_id("cheap").await.unwrap().unwrap();
    let mut tx = app.services.store.begin().await.unwrap();
    let mut alice = tx.account_by_login("alice").await.unwrap().unwrap();
    alice.plan_id = plan_id;
    tx.update_account(&alice).await.unwrap();
    tx.commit().await.unwrap();
    app.services.reload_account(alice.id).await.unwrap();
    assert_eq!(app.show(&id).await.plan, "cheap");
    let live = app.calls.directory.account_named(&id).unwrap();
    assert_eq!(live.settings().plan_id, plan_id);
    app.stop().await;
}

on_both!(the_balance_of_a_deleted_subaccount_returns_to_its_client, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    let script = app.script("alice").await;
    let id = made(&script).await;
    peers::ops::create(&app.services, &id, None).await.unwrap();
    peers::claims::create_address(&app.services, &id, "203.0.113.9").await.unwrap();
    let its_own = app.script(&id).await;
    curl(&script, "transfer_credits", &format!("id={id}&amount=20")).await.ok();
    let granted = app.dial(&id, BERLIN).await.allowed();
    let held = app.held(&id).await;
    assert_eq!(curl(&script, "delete", &format!("id={id}")).await.ok(), done());
    // What the live call holds stays until it ends.
    assert_eq!(app.balance(&id).await, held);
    assert_eq!(its_own.read("client-api", "me").await.status, 401);
    assert!(app.calls.directory.peer(&id).is_none());
    assert_eq!(app.dial(&id, BERLIN).await.reason(), "unknown_peer");
    for action in ["delete", "transfer_credits", "update"] {
        let body = format!("id={id}&amount=1&threshold=1");
        assert_eq!(failure(&curl(&script, action, &body).await), "Subaccount not found");
    }
    assert!(peers::ops::create(&app.services, &id, None).await.is_err());
    assert!(keys::create(&app.services, &id, false).await.is_err());
    app.clock.advance_ms(60_000);
    assert!(app.end(&granted, &End::answered(60_000)).await);
    app.until_admitting().await;
    until(&app, "alice", "99.937924").await;
    assert_eq!(app.balance(&id).await, "0");
    app.assert_right().await;
    app.stop().await;
});

/// Waits until an account has this balance.
async fn until(app: &TestApp, login: &str, balance: &str) {
    for _ in 0..100 {
        if app.balance(login).await == balance {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(app.balance(login).await, balance);
}

/// Signs a request to a path of the service.
fn signature(
    script: &Script,
    secret: &str,
    (at, nonce): (i64, &str),
    method: &Method,
    path: &str,
    body: &str,
) -> String {
    let body = tollgate::secrets::hex(&Md5::digest(body));
    let text = format!("{at}\n{nonce}\n{method}\nhttp://{}{path}\n{body}", script.at);
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    tollgate::secrets::hex(&mac.finalize().into_bytes())
}

#[tokio::test]
async fn a_signature_must_be_valid_recent_and_unused() {
    let (app, script) = house().await;
    let secret = keys::signing_secret(&app.services, "alice", false).await.unwrap();
    let path = "/api/subaccounts?action=create";
    let body = r#"{"name":"S","email":"s@b.de"}"#;
    let now = app.clock.now().as_second();
    let nonce = |n: u32| format!("{n:032}");
    let ask = |secret: &str, at: i64, nonce: String, sent: &str| {
        let signed = signature(&script, secret, (at, &nonce), &Method::POST, path, body);
        let (script, sent) = (script.clone(), sent.to_owned());
        async move {
            let at = at.to_string();
            let headers = [JSON, ("X-Timestamp", at.as_str()), ("X-Nonce", &nonce), ("X-Signature", &signed)];
            script.ask(Method::POST, path, &headers, sent).await
        }
    };
    assert_eq!(ask(&secret, now, nonce(1), body).await.ok()["success"], true);
    for (what, answered) in [
        ("nonce again", ask(&secret, now, nonce(1), body).await),
        ("another secret", ask("secret", now, nonce(2), body).await),
        ("too old", ask(&secret, now - 31, nonce(3), body).await),
        ("from the future", ask(&secret, now + 31, nonce(4), body).await),
        ("another body", ask(&secret, now, nonce(5), r#"{"name":"T","email":"s@b.de"}"#).await),
        ("no nonce", ask(&secret, now, "short".to_owned(), body).await),
        ("half of it", script.ask(Method::POST, path, &[JSON, ("X-Signature", "00")], body).await),
    ] {
        assert_eq!(failure(&answered), "Invalid signature", "{what}");
    }
    assert_eq!(ask(&secret, now - 30, nonce(6), body).await.ok()["success"], true);
    assert_eq!(read(&script).await.len(), 2);
    // A subaccount's client has no secret yet: nothing is signed rightly.
    app.client("bob", None, "retail").await;
    let bob = app.script("bob").await;
    let answered = bob.ask(Method::POST, path, &[JSON, ("X-Nonce", &nonce(7))], body).await;
    assert_eq!(failure(&answered), "Invalid signature");
    app.stop().await;
}
