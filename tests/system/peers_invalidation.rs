//! What a server is told when peers change: the real node linked to a manager interface that notes what it is asked and
//! fails as it is told. That a real Asterisk then does it is proved in the rig.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tollgate::accounts::ops::AccountChange;
use tollgate::config::Asterisk;
use tollgate::peers::claims;
use tollgate::peers::ops;

use crate::app::TestApp;
use crate::app::asterisk::{Asked, Behaviour, FakeAsterisk, SECRET, SYSTEM_NAME, USER};
use crate::app::database::Database;

/// Longer than anything may take that must happen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that has caches of peers, these contacts and these channels.
fn with_peers(contacts: &'static [&'static str], channels: &'static [&'static str]) -> Behaviour {
    Behaviour::answering(move |asked| answer(asked, contacts, channels))
}

pub(crate) fn answer(asked: &Asked, contacts: &[&str], channels: &[&str]) -> Option<String> {
    match asked.action.as_str() {
        "SorceryMemoryCacheExpireObject" => {
            Some(asked.error("The provided object could not be expired from the cache"))
        }
        "SorceryMemoryCacheExpire" | "SorceryMemoryCachePopulate" | "DBDel" => {
            Some(asked.success("Message: Done\n"))
        }
        "DBGetTree" => {
            let of = asked.get("Key").trim_end_matches('%');
            let key = |contact: &&str| format!("Key: /registrar/contact/{contact}\nVal: {{}}\n");
            let found: Vec<String> =
                contacts.iter().filter(|contact| contact.starts_with(of)).map(key).collect();
            Some(asked.list("DBGetTreeResponse", &found))
        }
        "CoreShowChannels" => {
            let row = |channel: &&str| {
                format!(
                    "Channel: {channel}\nChannelState: 6\nContext: tollgate\nExten: 1\nUniqueid: 1.{}\n\
                     Linkedid: 1.1\nApplication: Dial\nBridgeId: b\n",
                    channel.len()
                )
            };
            Some(asked.list("CoreShowChannel", &channels.iter().map(row).collect::<Vec<_>>()))
        }
        _ => None,
    }
}

pub(crate) async fn linked_to(server: &FakeAsterisk) -> TestApp {
    let (host, port) = (server.address.ip().to_string(), server.address.port());
    let app = TestApp::on(Database::sqlite(), |config| {
        config.asterisk = vec![Asterisk {
            name: SYSTEM_NAME.to_owned(),
            host,
            port,
            username: USER.to_owned(),
            secret: Some(tollgate::config::Secret::new(SECRET)),
            secret_file: None,
            tls: false,
            tls_ca: None,
            tls_name: None,
        }];
    })
    .await;
    app.furnish().await;
    // What a server is told when its link comes up ends with a look at its channels.
    until(server, 0, |asked| asked.action == "CoreShowChannels").await;
    // The house was furnished meanwhile.
    tokio::time::sleep(Duration::from_millis(300)).await;
    app
}

/// Waits until something like this was asked, after the first `from` actions.
async fn until(server: &FakeAsterisk, from: usize, wanted: impl Fn(&Asked) -> bool) {
    let began = Instant::now();
    while !server.asked()[from..].iter().any(&wanted) {
        assert!(began.elapsed() < PATIENCE, "not asked; asked: {:?}", &server.actions()[from..]);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// `cache/object` of everything that was expired after the first `from` actions.
fn expired(server: &FakeAsterisk, from: usize) -> BTreeSet<String> {
    let asked = server.asked();
    let expiring = asked[from..].iter().filter(|asked| asked.action == "SorceryMemoryCacheExpireObject");
    expiring.map(|asked| format!("{}/{}", asked.get("Cache"), asked.get("Object"))).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sip_account_that_is_switched_off_is_expired_unregistered_and_hung_up() {
    let server = FakeAsterisk::start(with_peers(
        &["alice;@11", "alice;@22", "alicex;@33"],
        &["PJSIP/alice-0000002a", "PJSIP/alice-2-0000002b", "PJSIP/first-endpoint-0000002c"],
    ))
    .await;
    let app = linked_to(&server).await;
    let from = server.asked().len();
    ops::set_active(&app.services, "alice", "alice", false).await.unwrap();
    until(&server, from, |asked| asked.action == "Hangup").await;
    assert_eq!(
        expired(&server, from),
        set(&["res_pjsip/endpoint/alice", "res_pjsip/auth/alice", "res_pjsip/aor/alice"])
    );
    let asked = server.asked();
    let dropped: Vec<&str> =
        asked[from..].iter().filter(|asked| asked.action == "DBDel").map(|asked| asked.get("Key")).collect();
    assert_eq!(dropped[..2], ["alice;@11", "alice;@22"]);
    let hung_up: Vec<(&str, &str)> = asked[from..]
        .iter()
        .filter(|asked| asked.action == "Hangup")
        .map(|asked| (asked.get("Channel"), asked.get("Cause")))
        .collect();
    assert_eq!(hung_up, [("PJSIP/alice-0000002a", "21")]);
    // A registration that was under way then is looked for a moment later.
    let later = server.asked().len();
    until(&server, later, |asked| asked.action == "DBGetTree" && asked.get("Key") == "alice;@%").await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_password_ends_the_registration_and_no_call() {
    let server = FakeAsterisk::start(with_peers(&["alice;@11"], &["PJSIP/alice-0000002a"])).await;
    let app = linked_to(&server).await;
    let from = server.asked().len();
    ops::set_password(&app.services, "alice", "alice", None).await.unwrap();
    until(&server, from, |asked| asked.action == "DBDel").await;
    assert_eq!(expired(&server, from).len(), 3);
    // The same password again changes nothing.
    let from = server.asked().len();
    ops::set_password(&app.services, "alice", "alice", Some("the-same-again".to_owned())).await.unwrap();
    until(&server, from, |asked| asked.action == "DBDel").await;
    let from = server.asked().len();
    ops::set_password(&app.services, "alice", "alice", Some("the-same-again".to_owned())).await.unwrap();
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(expired(&server, from), set(&[]));
    assert!(!server.actions().contains(&"Hangup".to_owned()));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_are_read_anew_and_a_reseller_takes_its_clients_along() {
    let server = FakeAsterisk::start(with_peers(&[], &["PJSIP/alice_ipa1-0000002a"])).await;
    let app = linked_to(&server).await;
    let from = server.asked().len();
    claims::create_address(&app.services, "alice", "203.0.113.10").await.unwrap();
    until(&server, from, |asked| asked.action == "SorceryMemoryCachePopulate").await;
    assert_eq!(expired(&server, from), set(&["res_pjsip/endpoint/alice_ipa1"]));
    let from = server.asked().len();
    app.set("acme", AccountChange { active: Some(false), ..AccountChange::default() }).await;
    until(&server, from, |asked| asked.action == "Hangup").await;
    assert_eq!(expired(&server, from).len(), 4, "alice's three and the address's one");
    assert!(server.actions()[from..].contains(&"SorceryMemoryCachePopulate".to_owned()));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_did_not_take_is_told_again() {
    let failing = Arc::new(AtomicBool::new(false));
    let refusals = Arc::new(AtomicUsize::new(0));
    let (fails, count) = (Arc::clone(&failing), Arc::clone(&refusals));
    let server = FakeAsterisk::start(Behaviour::answering(move |asked| {
        if asked.action == "DBGetTree" && fails.load(Ordering::SeqCst) {
            count.fetch_add(1, Ordering::SeqCst);
            return Some(asked.error("The database is away"));
        }
        answer(asked, &["alice;@11"], &[])
    }))
    .await;
    let app = linked_to(&server).await;
    failing.store(true, Ordering::SeqCst);
    let from = server.asked().len();
    ops::set_active(&app.services, "alice", "alice", false).await.unwrap();
    while refusals.load(Ordering::SeqCst) < 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!server.actions()[from..].contains(&"DBDel".to_owned()));
    failing.store(false, Ordering::SeqCst);
    until(&server, from, |asked| asked.action == "DBDel").await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_link_was_away_everything_is_looked_at_and_what_changed_meanwhile_told() {
    let contacts = &["alice;@11", "bob;@22", "carrier;@33"];
    let channels = &["PJSIP/alice-0000002a", "PJSIP/bob-0000002b", "PJSIP/carrier-0000002c"];
    let server = FakeAsterisk::start(with_peers(contacts, channels)).await;
    let app = linked_to(&server).await;
    app.client("bob", Some("acme"), "retail").await;
    app.client("carol", Some("acme"), "retail").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let address = server.address;
    drop(server);
    let link = app.services.links.get().unwrap().get(SYSTEM_NAME).unwrap().clone();
    while link.is_up() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    ops::set_active(&app.services, "bob", "bob", false).await.unwrap();
    ops::set_password(&app.services, "carol", "carol", None).await.unwrap();

    let server = FakeAsterisk::start_on(address, with_peers(contacts, channels)).await;
    until(&server, 0, |asked| asked.action == "Hangup").await;
    let asked = server.asked();
    let caches: Vec<&str> = asked
        .iter()
        .filter(|asked| asked.action == "SorceryMemoryCacheExpire")
        .map(|asked| asked.get("Cache"))
        .collect();
    let all = ["res_pjsip/endpoint", "res_pjsip/auth", "res_pjsip/aor", "res_pjsip/identify"];
    assert_eq!(caches[..4], all);
    let of = |action: &str, field: &str| -> BTreeSet<String> {
        let those = asked.iter().filter(|asked| asked.action == action);
        those.map(|asked| asked.get(field).to_owned()).collect()
    };
    assert_eq!(of("DBDel", "Key"), set(&["bob;@22"]), "alice may stay, and a carrier is nobody of ours");
    assert_eq!(of("Hangup", "Channel"), set(&["PJSIP/bob-0000002b"]));
    assert!(of("DBGetTree", "Key").contains("carol;@%"), "another password ends a registration");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_was_being_read_when_it_changed_is_expired_again() {
    let server = FakeAsterisk::start(with_peers(&[], &[])).await;
    let app = linked_to(&server).await;
    app.calls.directory.changes().was_read("alice");
    let from = server.asked().len();
    ops::set_password(&app.services, "alice", "alice", None).await.unwrap();
    let told = || {
        let asked = server.asked();
        asked[from..]
            .iter()
            .filter(|asked| asked.get("Cache") == "res_pjsip/auth" && asked.get("Object") == "alice")
            .count()
    };
    let began = Instant::now();
    while told() < 2 {
        assert!(began.elapsed() < PATIENCE, "told {} times", told());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(500) && took < Duration::from_millis(1_500), "{took:?}");
    app.stop().await;
}
