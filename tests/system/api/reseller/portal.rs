//! The endpoints of white-label portals for a reseller's clients.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tollgate::accounts::ops::AccountChange;
use tollgate::config::Config;
use tollgate::peers::claims;
use tollgate::peers::ops;
use tollgate::sip::digest;
use tollgate::sip::digest::Ha1;

use crate::app::TestApp;
use crate::app::database::on_both;
use crate::app::http::{Answered, Script};
use crate::app::phone::End;

const JANUS_SECRET: &str = "janus-secret-of-the-test";

fn with_web_phone(config: &mut Config) {
    config.webphone.janus_url = Some("wss://phone.example/janus".to_owned());
    config.webphone.janus_secret = Some(tollgate::config::Secret::new(JANUS_SECRET));
    config.webphone.sip_proxy = Some("sip:pbx.example:5060".to_owned());
    config.webphone.ice_servers = vec!["stun:stun.example:3478".to_owned()];
}

/// The usual house, with another reseller and its client `carol`.
async fn house(change: impl FnOnce(&mut Config)) -> (TestApp, Script) {
    let app = TestApp::start_with(change).await;
    app.furnish().await;
    app.reseller("rival", "wholesale", None).await;
    app.client("carol", Some("rival"), "retail").await;
    let acme = app.script("acme").await;
    (app, acme)
}

async fn read(reseller: &Script, endpoint: &str) -> Answered {
    reseller.read("reseller-api", endpoint).await
}

async fn write(reseller: &Script, endpoint: &str, body: Value) -> Answered {
    reseller.write("reseller-api", endpoint, &body).await
}

async fn sign_in(reseller: &Script, login: &str, password: &str) -> Answered {
    write(reseller, "client-auth", json!({ "login": login, "password": password })).await
}

/// A client's password, new.
async fn reset(reseller: &Script, login: &str) -> String {
    let answer = write(reseller, "reset-client-password", json!({ "login": login })).await.ok();
    assert_eq!(answer["login"], login);
    answer["temporary_password"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn portal_bootstrap_lists_the_available_features() {
    let (app, acme) = house(|_| {}).await;
    let portal = |sms, web_phone| {
        json!({ "ok": true, "portal": {
            "api_version": "1", "currency": "EUR", "time": "2026-11-21T12:00:00Z",
            "features": { "sms": sms, "esim": false, "web_phone": web_phone },
        }})
    };
    assert_eq!(read(&acme, "portal-bootstrap").await.ok(), portal(false, false));
    let off = write(&acme, "client-softphone-token", json!({ "login": "alice" })).await;
    assert_eq!(off.refused(422), "web_phone_off");
    app.stop().await;
    let (app, acme) = house(with_web_phone).await;
    assert_eq!(read(&acme, "portal-bootstrap").await.ok(), portal(false, true));
    app.stop().await;
    let provider = "[[sms.provider]]\nname = 'simulated'\nkind = 'simulator'\n";
    let (app, acme) = house(|config| config.sms = Config::from_text(provider, []).unwrap().sms).await;
    assert_eq!(read(&acme, "portal-bootstrap").await.ok(), portal(true, false));
    app.stop().await;
}

#[tokio::test]
async fn a_client_signs_in_with_its_password_only() {
    let (app, acme) = house(|_| {}).await;
    let nobody = sign_in(&acme, "nobody", "some password").await;
    assert_eq!(nobody.refused(401), "invalid_credentials");
    // Without a password, with a wrong one, and of another reseller: all alike.
    assert_eq!(
        sign_in(&acme, "alice", "some password").await.without_request_id(),
        nobody.without_request_id()
    );
    let password = reset(&acme, "alice").await;
    assert_eq!(password.len(), 16);
    assert_eq!(
        sign_in(&acme, "alice", "some password").await.without_request_id(),
        nobody.without_request_id()
    );
    let rival = app.script("rival").await;
    let theirs = reset(&rival, "carol").await;
    for login in ["carol", "acme", &"x".repeat(40), "a\nb"] {
        assert_eq!(sign_in(&acme, login, &theirs).await.without_request_id(), nobody.without_request_id());
    }
    let alice = app.show("alice").await.account;
    let client = |active: bool, language: Value| json!({ "ok": true, "client": { "id": alice.id, "login": "alice", "active": active, "language": language } });
    assert_eq!(sign_in(&acme, "alice", &password).await.ok(), client(true, Value::Null));
    write(&acme, "client-profile-update", json!({ "login": "alice", "language": "de" })).await.ok();
    app.set("alice", AccountChange { active: Some(false), ..AccountChange::default() }).await;
    assert_eq!(sign_in(&acme, "alice", &password).await.ok(), client(false, json!("de")));
    let newer = reset(&acme, "alice").await;
    assert_eq!(sign_in(&acme, "alice", &password).await.refused(401), "invalid_credentials");
    sign_in(&acme, "alice", &newer).await.ok();
    assert_eq!(sign_in(&acme, "alice", &"x".repeat(129)).await.json()["field"], "password");
    app.stop().await;
}

#[tokio::test]
async fn wrong_passwords_are_delayed_increasingly_for_known_and_unknown_logins() {
    let (app, acme) = house(|_| {}).await;
    let password = reset(&acme, "alice").await;
    for _ in 0..5 {
        for login in ["alice", "nobody", "carol"] {
            sign_in(&acme, login, "wrong password").await.refused(401);
        }
    }
    for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
        let mut told = Vec::new();
        for login in ["alice", "nobody", "carol"] {
            let refused = sign_in(&acme, login, "wrong password").await;
            assert_eq!(refused.refused(429), "too_many_attempts");
            assert_eq!(refused.headers["retry-after"], wait.to_string(), "{login}");
            told.push(refused.without_request_id());
        }
        assert!(told.iter().all(|one| *one == told[0]));
        // Not even the right one, for so long and no longer.
        assert_eq!(sign_in(&acme, "alice", &password).await.refused(429), "too_many_attempts");
        app.advance_ms(wait * 1_000).await;
        for login in ["alice", "nobody", "carol"] {
            sign_in(&acme, login, "wrong password").await.refused(401);
        }
    }
    // The client's own reseller has its own count, and a new password ends the wait.
    let rival = app.script("rival").await;
    sign_in(&rival, "carol", "wrong password").await.refused(401);
    let newer = reset(&acme, "alice").await;
    sign_in(&acme, "alice", &newer).await.ok();
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_guesses_are_limited_to_five_and_right_passwords_are_not_limited() {
    let (app, acme) = house(|_| {}).await;
    let password = reset(&acme, "alice").await;
    let good = futures::future::join_all((0..20).map(|_| sign_in(&acme, "alice", &password))).await;
    assert!(good.iter().all(|answer| answer.status == 200));
    let guesses = futures::future::join_all((0..40).map(|_| sign_in(&acme, "alice", "a guess at it"))).await;
    assert_eq!(guesses.iter().filter(|answer| answer.status == 401).count(), 5);
    assert_eq!(guesses.iter().filter(|answer| answer.status == 429).count(), 35);
    app.stop().await;
}

#[tokio::test]
async fn a_dashboard_shows_the_balance_and_todays_calls() {
    let (app, acme) = house(|_| {}).await;
    let profile =
        json!({ "login": "alice", "email": "a@example.com", "phone": "+4930123", "language": "en" });
    write(&acme, "client-profile-update", profile).await.ok();
    let dashboard = || async { read(&acme, "client-dashboard&login=alice").await.ok()["client"].clone() };
    assert_eq!(
        dashboard().await,
        json!({
            "login": "alice", "balance": 100, "currency": "EUR", "active": true, "plan_name": "retail",
            "email": "a@example.com", "phone": "+4930123", "language": "en", "calls_today": 0, "calls_active": 0,
        })
    );
    let granted = app.dial("alice", "493012345678").await.allowed();
    assert_eq!(dashboard().await["calls_active"], 1);
    app.talk(&granted, 60_000).await;
    let busy = app.dial("alice", "493012345679").await.allowed();
    app.end(&busy, &End::busy()).await;
    app.flush().await;
    let shown = dashboard().await;
    assert_eq!((&shown["calls_today"], &shown["calls_active"]), (&json!(2), &json!(0)));
    assert_eq!(shown["balance"].to_string(), app.balance("alice").await);
    app.advance_ms(12 * 3_600_000).await;
    assert_eq!(dashboard().await["calls_today"], 0);
    app.stop().await;
}

#[tokio::test]
async fn sip_accounts_are_listed_without_passwords_and_service_accounts_on_request() {
    let (app, acme) = house(with_web_phone).await;
    ops::create(&app.services, "alice", None).await.unwrap();
    claims::create_address(&app.services, "alice", "203.0.113.10").await.unwrap();
    write(&acme, "client-softphone-token", json!({ "login": "alice" })).await.ok();
    let row = |name: &str, main: bool, service: bool| json!({ "name": name, "main": main, "active": true, "service": service, "registered": false });
    let listed = read(&acme, "client-sip&login=alice").await.ok();
    let wanted = json!([row("alice", true, false), row("alice-2", false, false)]);
    assert_eq!(listed, json!({ "ok": true, "sip_accounts": wanted, "limit": 200, "offset": 0, "total": 2 }));
    assert_eq!(read(&acme, "client-sip&login=alice&include_service=0").await.ok(), listed);
    let all = read(&acme, "client-sip&login=alice&include_service=1").await.ok();
    let rows = all["sip_accounts"].as_array().unwrap();
    assert_eq!(all["total"], 4);
    for wanted in [row("alice_ipa1", false, true), row("alice_web1", false, true), row("alice", true, false)]
    {
        assert!(rows.contains(&wanted), "{wanted} in {all}");
    }
    let page = read(&acme, "client-sip&login=alice&limit=1&offset=1").await.ok();
    assert_eq!((&page["sip_accounts"][0]["name"], &page["total"]), (&json!("alice-2"), &json!(2)));
    assert_eq!(read(&acme, "client-sip&login=alice&include_service=yes").await.refused(400), "bad_request");
    app.stop().await;
}

#[tokio::test]
async fn only_the_resellers_own_sip_accounts_get_a_new_password() {
    let (app, acme) = house(with_web_phone).await;
    let further = ops::create(&app.services, "alice", None).await.unwrap();
    claims::create_address(&app.services, "alice", "203.0.113.10").await.unwrap();
    write(&acme, "client-softphone-token", json!({ "login": "alice" })).await.ok();
    for name in ["alice", &further.peer.name] {
        let answer = write(&acme, "reset-client-sip-password", json!({ "login": name })).await.ok();
        let password = answer["sip"]["password"].as_str().unwrap().to_owned();
        assert_eq!(answer, json!({ "ok": true, "sip": { "login": name, "password": password } }));
        assert_ne!(password, further.password);
        let peer = app.services.store.peer_by_name(name).await.unwrap().unwrap();
        assert_eq!(
            digest::open(&app.services.secrets.load(), name, &peer.secret.unwrap()).unwrap(),
            password
        );
    }
    let missing = write(&acme, "reset-client-sip-password", json!({ "login": "nobody" })).await;
    assert_eq!(missing.refused(404), "not_found");
    for name in ["carol", "alice_web1", "alice_ipa1", "acme", ""] {
        let refused = write(&acme, "reset-client-sip-password", json!({ "login": name })).await;
        assert_eq!(refused.without_request_id(), missing.without_request_id(), "{name}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_profile_update_changes_the_given_fields_only() {
    let (app, acme) = house(|_| {}).await;
    let update = |body: Value| write(&acme, "client-profile-update", body);
    let shown = |email: Value, phone: Value, language: Value| json!({ "ok": true, "client": { "login": "alice", "email": email, "phone": phone, "language": language } });
    let all =
        json!({ "login": "alice", "email": "client@example.com", "phone": "+123456789", "language": "en" });
    let (email, phone, language) = (json!("client@example.com"), json!("+123456789"), json!("en"));
    assert_eq!(update(all).await.ok(), shown(email.clone(), phone.clone(), language));
    let one = update(json!({ "login": "alice", "language": "de-AT" })).await.ok();
    assert_eq!(one, shown(email.clone(), phone, json!("de-AT")));
    let removed = update(json!({ "login": "alice", "phone": null })).await.ok();
    assert_eq!(removed, shown(email.clone(), Value::Null, json!("de-AT")));
    for (field, value) in [
        ("email", json!("nobody")),
        ("email", json!(format!("{}@b", "a".repeat(300)))),
        ("phone", json!("12")),
        ("phone", json!("call me")),
        ("language", json!("english please")),
        ("language", json!(7)),
    ] {
        let refused = update(json!({ "login": "alice", field: value })).await;
        assert_eq!((refused.refused(400).as_str(), &refused.json()["field"]), ("bad_request", &json!(field)));
    }
    assert_eq!(update(json!({ "login": "alice" })).await.ok(), shown(email, Value::Null, json!("de-AT")));
    app.stop().await;
}

#[tokio::test]
async fn a_softphone_token_is_valid_at_the_gateway_and_registers_as_web1() {
    let (app, acme) = house(with_web_phone).await;
    let ask = || async { write(&acme, "client-softphone-token", json!({ "login": "alice" })).await.ok() };
    let first = ask().await;
    let softphone = &first["softphone"];
    let (token, ha1) =
        (softphone["janus"]["token"].as_str().unwrap(), softphone["sip"]["ha1_secret"].as_str().unwrap());
    assert_eq!(
        *softphone,
        json!({
            "login": "alice", "expires_at": "2026-11-21T12:10:00Z", "expires_in": 600,
            "janus": {
                "server": "wss://phone.example/janus", "token": token, "plugin": "janus.plugin.sip",
                "ice_servers": [{ "urls": "stun:stun.example:3478" }],
            },
            "sip": {
                "username": "alice_web1", "authuser": "alice_web1", "display_name": "alice",
                "proxy": "sip:pbx.example:5060", "ha1_secret": ha1, "register_ttl": 300,
            },
        })
    );
    assert!(token.starts_with("1795263000,janus,janus.plugin.sip:"), "{token}");
    let known = app.calls.directory.peer("alice_web1").unwrap().digest.unwrap();
    assert_eq!(known.hex(), ha1);
    let second = ask().await;
    let newer = second["softphone"]["sip"]["ha1_secret"].as_str().unwrap();
    assert_ne!(newer, ha1);
    assert_eq!(
        app.calls.directory.peer("alice_web1").unwrap().digest.map(|ha1: Ha1| ha1.hex()).unwrap(),
        newer
    );
    assert_eq!(ops::list(&app.services, "alice", true).await.unwrap().len(), 2);
    app.set("alice", AccountChange { active: Some(false), ..AccountChange::default() }).await;
    let refused = write(&acme, "client-softphone-token", json!({ "login": "alice" })).await;
    assert_eq!(refused.refused(422), "inactive");
    app.stop().await;
}

on_both!(concurrent_softphone_requests_create_one_peer, database => {
    let app = TestApp::on(database, with_web_phone).await;
    app.furnish().await;
    let acme = app.script("acme").await;
    let ask = || write(&acme, "client-softphone-token", json!({ "login": "alice" }));
    let answers = futures::future::join_all((0..30).map(|_| ask())).await;
    let secrets: BTreeSet<String> =
        answers.iter().map(|answer| answer.ok()["softphone"]["sip"]["ha1_secret"].to_string()).collect();
    assert_eq!(secrets.len(), answers.len());
    let peers = ops::list(&app.services, "alice", true).await.unwrap();
    assert_eq!(peers.iter().map(|peer| peer.name.as_str()).collect::<Vec<_>>(), ["alice", "alice_web1"]);
    app.stop().await;
});

#[tokio::test]
async fn another_resellers_client_is_not_found_at_any_endpoint() {
    let (app, acme) = house(with_web_phone).await;
    for endpoint in ["client-dashboard", "client-sip"] {
        let missing = read(&acme, &format!("{endpoint}&login=nobody")).await;
        assert_eq!(missing.refused(404), "not_found");
        for login in ["carol", "acme", "rival", "alice_web1", "%00", ""] {
            let other = read(&acme, &format!("{endpoint}&login={login}")).await;
            assert_eq!(other.without_request_id(), missing.without_request_id(), "{endpoint} {login}");
        }
        let none = read(&acme, endpoint).await;
        assert_eq!((none.refused(400).as_str(), &none.json()["field"]), ("bad_request", &json!("login")));
    }
    for endpoint in [
        "reset-client-password",
        "reset-client-sip-password",
        "client-profile-update",
        "client-softphone-token",
    ] {
        let missing = write(&acme, endpoint, json!({ "login": "nobody" })).await;
        assert_eq!(missing.refused(404), "not_found");
        for login in ["carol", "acme", "rival", "\u{0}"] {
            let other = write(&acme, endpoint, json!({ "login": login })).await;
            assert_eq!(other.without_request_id(), missing.without_request_id(), "{endpoint} {login}");
        }
    }
    app.stop().await;
}

/// Every key of an answer, as a path; rows of a list alike.
fn keys(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                found.insert(path.clone());
                keys(value, &path, found);
            }
        }
        Value::Array(rows) => rows.iter().for_each(|row| keys(row, path, found)),
        _ => {}
    }
}

/// What each endpoint may tell of a client. What is shown to a client's browser is among it, so nothing of the reseller's
/// own money, prices or keys is.
const GOLDEN: [(&str, &str); 6] = [
    ("client-auth", "ok client client.id client.login client.active client.language"),
    (
        "client-dashboard",
        "ok client client.login client.balance client.currency client.active client.plan_name client.email client.phone \
         client.language client.calls_today client.calls_active",
    ),
    (
        "client-sip",
        "ok limit offset total sip_accounts sip_accounts.name sip_accounts.main sip_accounts.active \
         sip_accounts.service sip_accounts.registered",
    ),
    ("client-profile-update", "ok client client.login client.email client.phone client.language"),
    (
        "client-softphone-token",
        "ok softphone softphone.login softphone.expires_at softphone.expires_in softphone.janus softphone.janus.server \
         softphone.janus.token softphone.janus.plugin softphone.janus.ice_servers softphone.janus.ice_servers.urls \
         softphone.sip softphone.sip.username softphone.sip.authuser softphone.sip.display_name softphone.sip.proxy \
         softphone.sip.ha1_secret softphone.sip.register_ttl",
    ),
    ("error", "ok error code field request_id"),
];

#[tokio::test]
async fn answers_for_clients_reveal_nothing_about_the_reseller() {
    let (app, acme) = house(with_web_phone).await;
    // Amounts that nothing else has.
    app.leave("acme", "77.123457").await;
    let password = reset(&acme, "alice").await;
    let login = json!({ "login": "alice" });
    let answers = [
        ("client-auth", sign_in(&acme, "alice", &password).await),
        ("client-dashboard", read(&acme, "client-dashboard&login=alice").await),
        ("client-sip", read(&acme, "client-sip&login=alice&include_service=1").await),
        ("client-profile-update", write(&acme, "client-profile-update", login.clone()).await),
        ("client-softphone-token", write(&acme, "client-softphone-token", login).await),
        ("error", sign_in(&acme, "alice", "wrong password").await),
        ("error", read(&acme, "client-dashboard&login=nobody").await),
    ];
    for (endpoint, answer) in answers {
        let allowed: BTreeSet<&str> =
            GOLDEN.iter().find(|(name, _)| *name == endpoint).unwrap().1.split(' ').collect();
        let mut found = BTreeSet::new();
        keys(&answer.json(), "", &mut found);
        let beyond: Vec<&String> = found.iter().filter(|key| !allowed.contains(key.as_str())).collect();
        assert!(beyond.is_empty(), "{endpoint} tells {beyond:?}");
        assert!(endpoint == "error" || found.len() == allowed.len(), "{endpoint} has {found:?}");
        for secret in
            ["77.123457", "wholesale", "acme", JANUS_SECRET, acme.key.as_deref().unwrap(), &password]
        {
            assert!(!answer.text.contains(secret), "{endpoint} tells {secret}");
        }
    }
    app.stop().await;
}
