//! Peers as Asterisk reads them and as authorise sees them: the real node, asked over its internal listener.

use std::collections::BTreeMap;

use base64::Engine as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tollgate::accounts::ops::AccountChange;
use tollgate::calls::refusal::Reason;
use tollgate::config::Config;
use tollgate::peers::claims;
use tollgate::peers::ops::{self, PeerError};
use tollgate::sip::digest::Ha1;
use tollgate::store::{Session as _, Side};

use crate::app::TestApp;
use crate::app::database::on_both;
use crate::app::decks::BERLIN;
use crate::app::phone::{Answer, Dial};

const TOKEN: &str = "TestRealtimeToken0123456789";
const PASSWORD: &str = "a-password-of-mine";

/// A node whose peers can be read with [`TOKEN`].
fn readable(config: &mut Config) {
    config.realtime.token = Some(tollgate::config::Secret::new(TOKEN));
}

/// One POST to the internal listener, with this name and token; the status and the body.
async fn post(app: &TestApp, path: &str, credentials: &str, form: &str) -> (u16, String) {
    let stream = tokio::net::TcpStream::connect(app.internal).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let driver = tokio::spawn(connection);
    let encoded = base64::engine::general_purpose::STANDARD.encode(credentials);
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header("host", "tollgate")
        .header("authorization", format!("Basic {encoded}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from(form.to_owned())))
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    driver.abort();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn read(app: &TestApp, family: &str, action: &str, form: &str) -> String {
    let (status, body) =
        post(app, &format!("/realtime/{family}/{action}"), &format!("tollgate:{TOKEN}"), form).await;
    assert_eq!(status, 200, "Asterisk reads the body of an error as a row");
    body
}

/// A row as its columns; none if the answer is empty.
async fn row(app: &TestApp, family: &str, name: &str) -> Option<BTreeMap<String, String>> {
    let form = form_urlencoded::Serializer::new(String::new()).append_pair("id", name).finish();
    let body = read(app, family, "single", &form).await;
    (!body.is_empty()).then(|| form_urlencoded::parse(body.as_bytes()).into_owned().collect())
}

async fn families_of(app: &TestApp, name: &str) -> [bool; 4] {
    let mut found = [false; 4];
    for (place, family) in found.iter_mut().zip(["ps_endpoints", "ps_auths", "ps_aors", "ps_endpoint_id_ips"])
    {
        *place = row(app, family, name).await.is_some();
    }
    found
}

fn expect(row: &BTreeMap<String, String>, columns: &[(&str, &str)]) {
    for (column, value) in columns {
        assert_eq!(row.get(*column).map(String::as_str), Some(*value), "{column} of {row:?}");
    }
}

on_both!(each_kind_of_peer_is_told_in_its_own_way, database => {
    let app = TestApp::on(database, readable).await;
    app.furnish().await;
    ops::set_password(&app.services, "alice", "alice", Some(PASSWORD.to_owned())).await.unwrap();
    let address = claims::create_address(&app.services, "alice", "203.0.113.10").await.unwrap();
    let web = ops::rotate_web_secret(&app.services, "alice").await.unwrap();
    assert_eq!((address.name.as_str(), web.peer.name.as_str()), ("alice_ipa1", "alice_web1"));

    for (name, password) in [("alice", PASSWORD), ("alice_web1", web.password.as_str())] {
        let endpoint = row(&app, "ps_endpoints", name).await.unwrap();
        expect(&endpoint, &[("id", name), ("identify_by", "username"), ("auth", name), ("aors", name)]);
        expect(&endpoint, &[("context", "tollgate"), ("allow_transfer", "no"), ("allow", "alaw,ulaw,g722")]);
        let auth = row(&app, "ps_auths", name).await.unwrap();
        let digest = Ha1::of(name, "asterisk", password).password_digest();
        expect(&auth, &[("auth_type", "digest"), ("username", name), ("realm", "asterisk")]);
        expect(&auth, &[("password_digest", &digest)]);
        assert!(!auth.values().any(|value| value.contains(password)), "a password leaves as a digest alone");
        expect(&row(&app, "ps_aors", name).await.unwrap(), &[("max_contacts", "5")]);
        assert_eq!(families_of(&app, name).await, [true, true, true, false]);
    }
    let endpoint = row(&app, "ps_endpoints", "alice_ipa1").await.unwrap();
    expect(&endpoint, &[("identify_by", "ip"), ("context", "tollgate")]);
    assert!(!endpoint.contains_key("auth") && !endpoint.contains_key("aors"), "{endpoint:?}");
    assert_eq!(families_of(&app, "alice_ipa1").await, [true, false, false, true]);
    assert_eq!(
        read(&app, "ps_endpoint_id_ips", "multi", "id%20LIKE=%25").await,
        "id=alice_ipa1&endpoint=alice_ipa1&match=203.0.113.10%2F32"
    );
    app.stop().await;
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_unknown_or_refused_is_answered_with_nothing() {
    let app = TestApp::start_with(readable).await;
    app.furnish().await;
    for name in
        ["nobody", "acme", "first-endpoint", "alice@example.com", "4930@first-endpoint", "", "alice\n", "%"]
    {
        assert_eq!(families_of(&app, name).await, [false; 4], "{name}");
    }
    for form in ["", "id", "name=alice", "id=", "%ff=%fe"] {
        assert_eq!(read(&app, "ps_endpoints", "single", form).await, "", "{form}");
    }
    // Names and digests cannot be listed.
    for family in ["ps_endpoints", "ps_auths", "ps_aors", "ps_contacts", "ps_globals"] {
        assert_eq!(read(&app, family, "multi", "id%20LIKE=%25").await, "", "{family}");
        assert_eq!(read(&app, family, "static", "file=x").await, "", "{family}");
    }
    // An empty answer to these makes Asterisk read beyond its buffer.
    for action in ["update", "store", "destroy", "require"] {
        assert_eq!(read(&app, "ps_endpoints", action, "id=alice").await, "0", "{action}");
    }
    let path = "/realtime/ps_auths/single";
    for credentials in ["tollgate:", "tollgate:wrong", "root:TestRealtimeToken0123456789", TOKEN, ""] {
        assert_eq!(post(&app, path, credentials, "id=alice").await, (200, String::new()), "{credentials}");
    }
    let internal = app.services.metrics_tokens().remove(0);
    assert_eq!(post(&app, path, &format!("tollgate:{internal}"), "id=alice").await.1, "", "another token");
    assert_eq!(
        post(&app, "/v1/command", &format!("tollgate:{TOKEN}"), "{}").await.0,
        410,
        "nor does it run commands"
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_is_told_whether_the_last_reading_was_refused() {
    let app = TestApp::start_with(readable).await;
    app.furnish().await;
    let view = async || app.services.servers_of_the_owner().await.unwrap().expect("it runs");
    assert_eq!((view().await.reads, view().await.refused), (0, None));
    let path = "/realtime/ps_auths/single";
    post(&app, path, "tollgate:wrong", "id=alice").await;
    assert_eq!((view().await.reads, view().await.refused), (1, Some("127.0.0.1".to_owned())));
    read(&app, "ps_auths", "single", "id=alice").await;
    assert_eq!((view().await.reads, view().await.refused), (2, None));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_not_allowed_reads_nothing() {
    let app = TestApp::start_with(|config| {
        readable(config);
        config.realtime.allow = vec!["192.0.2.0/24".parse().unwrap()];
    })
    .await;
    app.furnish().await;
    assert_eq!(row(&app, "ps_endpoints", "alice").await, None);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_derived_token_reads_also_after_the_keys_were_rotated() {
    let app = TestApp::start().await;
    app.furnish().await;
    let old = app.services.realtime_token();
    let mut secrets = (**app.services.secrets.load()).clone();
    secrets.rotate(&app.services.config.key_file()).unwrap();
    app.services.secrets.store(std::sync::Arc::new(secrets.clone()));
    assert_eq!(ops::seal_anew(&app.services.store, &secrets).await.unwrap(), 1);
    assert_eq!(ops::seal_anew(&app.services.store, &secrets).await.unwrap(), 0);
    let new = app.services.realtime_token();
    assert_ne!(old, new);
    for token in [old, new] {
        let (_, body) =
            post(&app, "/realtime/ps_auths/single", &format!("tollgate:{token}"), "id=alice").await;
        assert!(body.contains("password_digest"), "{body}");
    }
    app.stop().await;
}

on_both!(what_is_not_in_force_is_not_told, database => {
    let app = TestApp::on(database, readable).await;
    app.furnish().await;
    let further = ops::create(&app.services, "alice", None).await.unwrap().peer.name;
    claims::create_address(&app.services, "alice", "203.0.113.10").await.unwrap();
    let off = AccountChange { active: Some(false), ..AccountChange::default() };
    let on = AccountChange { active: Some(true), ..AccountChange::default() };
    let told = async || {
        [
            row(&app, "ps_endpoints", "alice").await.is_some(),
            row(&app, "ps_endpoints", &further).await.is_some(),
            row(&app, "ps_endpoints", "alice_ipa1").await.is_some(),
            !read(&app, "ps_endpoint_id_ips", "multi", "id%20LIKE=%25").await.is_empty(),
        ]
    };
    assert_eq!(told().await, [true; 4]);
    ops::set_active(&app.services, "alice", "alice", false).await.unwrap();
    assert_eq!(told().await, [false, true, false, false], "its IP peer follows it");
    ops::set_active(&app.services, "alice", "alice", true).await.unwrap();
    claims::set_address_active(&app.services, "alice", "203.0.113.10", false).await.unwrap();
    assert_eq!(told().await, [true, true, false, false]);
    claims::set_address_active(&app.services, "alice", "alice_ipa1", true).await.unwrap();
    for login in ["alice", "acme"] {
        app.set(login, AccountChange { active: off.active, ..AccountChange::default() }).await;
        assert_eq!(told().await, [false; 4], "{login} is off");
        app.set(login, AccountChange { active: on.active, ..AccountChange::default() }).await;
        assert_eq!(told().await, [true; 4], "{login} is on again");
    }
    ops::delete(&app.services, "alice", &further).await.unwrap();
    assert_eq!(told().await, [true, false, true, true]);
    let database = app.stop().await;

    let app = TestApp::on(database, readable).await;
    assert!(row(&app, "ps_auths", "alice").await.is_some(), "it is told after a start too");
    assert_eq!(row(&app, "ps_endpoints", &further).await, None);
    app.stop().await;
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_of_the_operator_are_told_in_place_of_ours() {
    let app = TestApp::start_with(|config| {
        readable(config);
        config.peers.endpoint = [("allow", "opus,alaw"), ("media_encryption", "sdes")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into();
    })
    .await;
    app.furnish().await;
    let endpoint = row(&app, "ps_endpoints", "alice").await.unwrap();
    expect(&endpoint, &[("disallow", "all"), ("allow", "opus,alaw"), ("media_encryption", "sdes")]);
    app.stop().await;
}

on_both!(an_ip_peer_calls_from_its_address_alone, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    claims::create_address(&app.services, "alice", "203.0.113.10").await.unwrap();
    for source in ["203.0.113.11", "203.0.113.11:5060", "2001:db8::1", "", "nonsense"] {
        let dial = Dial { source: source.to_owned(), ..Dial::new("alice_ipa1", BERLIN) };
        let answer = dial.ask(app.fastagi).await;
        let Answer::Refused { reason, .. } = answer else { panic!("from {source:?}: {answer:?}") };
        assert_eq!(reason, Reason::BadSource.as_str(), "{source:?}");
    }
    for (endpoint, source) in
        [("alice_ipa1", "203.0.113.10:5062"), ("alice_ipa1", "::ffff:203.0.113.10"), ("alice", "198.51.100.9"), ("alice", "")]
    {
        let dial = Dial { source: source.to_owned(), ..Dial::new(endpoint, BERLIN) };
        assert!(matches!(dial.ask(app.fastagi).await, Answer::Allowed(_)), "{endpoint} from {source:?}");
    }
    app.stop().await;
});

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn switching_off_beside_calls_that_are_being_authorised_leaves_none() {
    let app = TestApp::start().await;
    app.furnish().await;
    for round in 0..20 {
        ops::set_active(&app.services, "alice", "alice", true).await.unwrap();
        let dials: Vec<_> = (0..8)
            .map(|_| {
                let fastagi = app.fastagi;
                tokio::spawn(async move { Dial::new("alice", BERLIN).ask(fastagi).await })
            })
            .collect();
        let switched = ops::set_active(&app.services, "alice", "alice", false);
        switched.await.unwrap();
        // What is open from here on was open when it was switched off, and is hung up by whoever did it.
        let open_then = app.calls.open_calls();
        for dial in dials {
            dial.await.unwrap();
        }
        assert!(app.calls.open_calls() <= open_then, "round {round}: a call came about afterwards");
    }
    app.stop().await;
}

on_both!(a_client_has_a_hundred_sip_accounts_whoever_makes_them_at_once, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    for _ in 0..93 {
        ops::create(&app.services, "alice", None).await.unwrap();
    }
    let many: Vec<_> = (0..12)
        .map(|_| {
            let services = std::sync::Arc::clone(&app.services);
            tokio::spawn(async move { ops::create(&services, "alice", None).await })
        })
        .collect();
    let mut made = 0;
    for one in many {
        match one.await.unwrap() {
            Ok(_) => made += 1,
            Err(error) => assert!(matches!(error, PeerError::TooMany { limit: 100, .. }), "{error}"),
        }
    }
    assert_eq!(made, 6);
    assert_eq!(ops::list(&app.services, "alice", false).await.unwrap().len(), 100);
    // Neither addresses nor web phones count.
    claims::create_address(&app.services, "alice", "203.0.113.10").await.unwrap();
    ops::rotate_web_secret(&app.services, "alice").await.unwrap();
    assert_eq!(ops::list(&app.services, "alice", true).await.unwrap().len(), 102);
    app.stop().await;
});

on_both!(a_sip_account_without_a_password_gets_one_at_the_start, database => {
    let app = TestApp::on(database, readable).await;
    app.furnish().await;
    let mut tx = app.services.store.begin().await.unwrap();
    let old = "UPDATE peers SET secret = NULL, secret_key_id = NULL";
    match tx.side() {
        Side::Sqlite(c) => drop(sqlx::query(old).execute(c).await.unwrap()),
        Side::Postgres(c) => drop(sqlx::query(old).execute(c).await.unwrap()),
    }
    tx.commit().await.unwrap();
    let database = app.stop().await;
    let app = TestApp::on(database, readable).await;
    assert!(row(&app, "ps_auths", "alice").await.is_some());
    app.stop().await;
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_realm_is_refused_because_digests_hold_it() {
    let app = TestApp::start().await;
    let database = app.stop().await;
    let mut config = Config::default();
    config.database.url = database.url.as_str().into();
    config.secrets.key_file = Some(database.files.path().join("tollgate.key"));
    config.sip.realm = "another".to_owned();
    let error = tollgate::services::Services::open(std::sync::Arc::new(config)).await.unwrap_err();
    assert_eq!(error.code(), "bad_config");
    assert!(error.to_string().contains("asterisk") && error.to_string().contains("another"), "{error}");
}
