//! The manager link with a server that behaves, TLS included.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tollgate::ami::{AmiError, Event, Link, LinkEvent, LinkState, Links, Settings, Timing, Tls};
use tollgate::clock::{Clock, SystemClock};
use tollgate::config::Secret;
use tollgate::config::{Asterisk, Config};

use crate::app::asterisk::{Behaviour, FakeAsterisk, SECRET, SYSTEM_NAME, USER};

/// Longer than anything may take that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A link to the server, with everything that takes time made short.
pub(crate) fn settings(server: &FakeAsterisk) -> Settings {
    Settings {
        server: SYSTEM_NAME.to_owned(),
        host: server.address.ip().to_string(),
        port: server.address.port(),
        username: USER.to_owned(),
        secret: Secret::new(SECRET),
        tls: None,
        timing: Timing {
            answer: Duration::from_millis(800),
            list: Duration::from_millis(1_500),
            quiet: Duration::from_millis(400),
            retry_first: Duration::from_millis(50),
            retry_longest: Duration::from_millis(200),
            retry_refused: Duration::from_secs(3),
            ..Timing::default()
        },
    }
}

pub(crate) fn start(settings: Settings) -> Link {
    let (link, task) = Link::start(settings, Arc::new(SystemClock::new()), CancellationToken::new());
    // It ends with the last handle.
    drop(task);
    link
}

/// Waits for the link to be like this.
pub(crate) async fn wait_for(link: &Link, holds: impl Fn(&LinkState) -> bool) -> LinkState {
    let mut states = link.watch();
    let waited = timeout(PATIENCE, states.wait_for(|state| holds(state))).await;
    waited.unwrap_or_else(|_| panic!("it is {:?}", link.state())).unwrap().clone()
}

pub(crate) async fn wait_until_up(link: &Link) {
    wait_for(link, |state| matches!(state, LinkState::Up(_))).await;
}

/// Why it is away, as soon as it is for a reason in which this stands.
pub(crate) async fn reason_with(link: &Link, part: &str) -> String {
    let is_it = |state: &LinkState| matches!(state, LinkState::Away { reason } if reason.contains(part));
    let LinkState::Away { reason } = wait_for(link, is_it).await else { unreachable!() };
    reason
}

/// A server and a link to it that is up.
pub(crate) async fn linked(behaviour: Behaviour) -> (FakeAsterisk, Link) {
    let server = FakeAsterisk::start(behaviour).await;
    let link = start(settings(&server));
    wait_until_up(&link).await;
    (server, link)
}

#[tokio::test]
async fn a_link_comes_up_with_filters_and_without_showing_the_secret() {
    let (server, link) = linked(Behaviour::default()).await;
    let LinkState::Up(session) = link.state() else { panic!("up") };
    assert_eq!(session.number, 1);
    assert_eq!(session.started, "2026-11-25 22:58:57");
    assert_eq!((session.uptime_seconds, session.version.as_str()), (61, "22.10.1"));
    assert!(link.heard_ms() > 0);
    assert_eq!(link.heard_before_ms(), 0);

    let asked = server.asked();
    let filters: Vec<_> = asked.iter().filter(|asked| asked.action == "Filter").collect();
    let criteria: Vec<_> = filters.iter().map(|filter| filter.get("MatchCriteria")).collect();
    assert_eq!(criteria, ["name(DialEnd)", "name(Hangup)", "name(FullyBooted)", "name(Shutdown)"]);
    // Events are let through when the filters stand, and last of all.
    assert_eq!(asked.last().unwrap().action, "Events");
    assert!(!format!("{asked:?}").contains(SECRET));
    let mut ids: Vec<_> = asked.iter().map(|asked| asked.id.clone()).collect();
    assert!(ids.iter().all(|id| id.len() > 16));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), asked.len(), "no ActionID comes twice");
}

#[tokio::test]
async fn many_actions_are_under_way_at_once_and_each_gets_its_own_answer() {
    let (_server, link) = linked(Behaviour::answering(|asked| {
        (asked.action == "Getvar")
            .then(|| asked.success(&format!("Variable: V\nValue: {}\n", asked.get("Variable"))))
    }))
    .await;
    let asking = (0..200).map(|number| {
        let link = link.clone();
        tokio::spawn(async move { (number, link.getvar("PJSIP/a-1", &format!("v{number}")).await) })
    });
    for asked in asking.collect::<Vec<_>>() {
        let (number, value) = asked.await.unwrap();
        assert_eq!(value.unwrap(), Some(format!("v{number}")));
    }
}

#[tokio::test]
async fn typed_actions_say_what_is_there_and_what_is_not() {
    let (_server, link) = linked(Behaviour::answering(|asked| {
        let has = asked.get("Key") == "there" || asked.get("Family") == "full";
        let answer = match (asked.action.as_str(), has) {
            ("DBGet", true) => asked.list("DBGetResponse", &["Val: v: 1|x".to_owned()]),
            ("DBGet", false) => asked.error("Database entry not found"),
            ("DBGetTree", true) => {
                let item = |key: &str| format!("Key: /full/{key}\nVal: of {key}\n");
                asked.list("DBGetTreeResponse", &[item("a/b"), item("c")])
            }
            ("DBGetTree", false) => asked.list("DBGetTreeResponse", &[]),
            ("DBDel", true) => asked.success("Message: Key deleted successfully\n"),
            ("DBDel", false) => asked.error("Database entry could not be deleted"),
            ("Getvar" | "Hangup" | "AbsoluteTimeout", _) => asked.error("No such channel"),
            ("SorceryMemoryCacheExpireObject", _) => {
                asked.error("The provided object could not be expired from the cache")
            }
            ("SorceryMemoryCacheExpire", _) => asked.error("The provided cache does not exist"),
            _ => return None,
        };
        Some(answer)
    }))
    .await;
    assert_eq!(link.db_get("f", "there").await.unwrap(), Some("v: 1|x".to_owned()));
    assert_eq!(link.db_get("f", "gone").await.unwrap(), None);
    let tree = link.db_get_tree("full").await.unwrap();
    assert_eq!(tree, [("a/b".to_owned(), "of a/b".to_owned()), ("c".to_owned(), "of c".to_owned())]);
    assert_eq!(link.db_get_tree("empty").await.unwrap(), []);
    assert!(link.db_del("f", "there").await.unwrap());
    assert!(!link.db_del("f", "gone").await.unwrap());
    assert_eq!(link.getvar("PJSIP/a-1", "X").await.unwrap(), None);
    assert!(!link.hangup("PJSIP/a-1", 16).await.unwrap());
    assert!(!link.absolute_timeout("PJSIP/a-1", 1_500).await.unwrap());
    assert!(!link.sorcery_memory_cache_expire("c").await.unwrap());
    assert!(!link.sorcery_memory_cache_expire_object("c", "o").await.unwrap());
    assert_eq!(link.core_show_channels().await.unwrap(), []);
    // What Asterisk would take for an expression ends no channel.
    assert!(matches!(link.hangup("/.*/", 16).await, Err(AmiError::Unsendable(_))));
    assert!(matches!(link.getvar("PJSIP/a-1", "X\r\nAction: Originate").await, Err(AmiError::Unsendable(_))));
    // Not loaded, or not allowed: neither is "not there".
    let refused = link.sorcery_memory_cache_populate("c").await.unwrap_err();
    assert!(matches!(refused, AmiError::Refused { .. }) && !refused.is_absent(), "{refused}");
}

#[tokio::test]
async fn a_subscriber_is_told_what_it_wants_in_order() {
    let (server, link) = linked(Behaviour::default()).await;
    let mut events = link.subscribe(16, |event| matches!(event, Event::Hangup { .. }));
    assert!(matches!(events.recv().await, Some(LinkEvent::Up(session)) if session.number == 1));
    server.say_block("Event: DialEnd\nUniqueid: 1.1\nDestChannel: b\nDestUniqueid: 1.2\nDialStatus: BUSY");
    for number in 1..=3 {
        server.say_block(&format!(
            "Event: Hangup\nChannel: PJSIP/a-{number}\nUniqueid: 1.{number}\nLinkedid: 1.1"
        ));
    }
    for number in 1..=3 {
        let told = timeout(PATIENCE, events.recv()).await.unwrap();
        let Some(LinkEvent::Event(event)) = told else { panic!("{told:?}") };
        assert!(matches!(&*event, Event::Hangup { unique_id, .. } if *unique_id == format!("1.{number}")));
    }
    server.cut();
    assert!(matches!(timeout(PATIENCE, events.recv()).await.unwrap(), Some(LinkEvent::Down)));
    assert!(
        matches!(timeout(PATIENCE, events.recv()).await.unwrap(), Some(LinkEvent::Up(it)) if it.number == 2)
    );
    assert!(link.heard_before_ms() > 0 && link.heard_before_ms() <= link.heard_ms());
}

#[tokio::test]
async fn a_server_that_is_still_starting_is_waited_for() {
    let server = FakeAsterisk::start(Behaviour { booted: false, ..Behaviour::default() }).await;
    let link = start(settings(&server));
    reason_with(&link, "still starting").await;
    assert!(!server.actions().contains(&"Filter".to_owned()));
    assert!(matches!(link.ping().await, Err(AmiError::Away { .. })));
    server.say_block("Event: FullyBooted\nPrivilege: system,all\nStatus: Fully Booted\nUptime: 9");
    wait_until_up(&link).await;
    assert!(matches!(link.state(), LinkState::Up(session) if session.uptime_seconds == 9));
    assert_eq!(server.connections(), 1);
}

fn metrics_text(links: &Links) -> String {
    let mut registry = tollgate::metrics::Registry::default();
    links.register_metrics(&mut registry);
    registry.encode().unwrap()
}

#[tokio::test]
async fn links_stop_in_order_and_show_what_they_count() {
    let server = FakeAsterisk::start(Behaviour::default()).await;
    let mut config = Config::default();
    config.asterisk.push(Asterisk {
        name: SYSTEM_NAME.to_owned(),
        host: server.address.ip().to_string(),
        port: server.address.port(),
        username: USER.to_owned(),
        secret: Some(Secret::new(SECRET)),
        secret_file: None,
        tls: false,
        tls_ca: None,
        tls_name: None,
    });
    let stop = CancellationToken::new();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let (links, tasks) = Links::start(&config, &clock, &stop);
    let link = links.get(SYSTEM_NAME).unwrap();
    wait_until_up(link).await;
    link.ping().await.unwrap();
    let text = metrics_text(&links);
    assert!(text.contains("tollgate_ami_up{server=\"pbx1\"} 1\n"), "{text}");
    assert!(text.contains("tollgate_ami_logins_total{server=\"pbx1\"} 1\n"), "{text}");
    let ended = tokio::spawn(tasks.ended());
    stop.cancel();
    timeout(PATIENCE, ended).await.unwrap().unwrap().unwrap();
    timeout(PATIENCE, async {
        while server.actions().last().unwrap() != "Logoff" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    assert!(matches!(link.ping().await, Err(AmiError::Away { .. })));
    assert!(metrics_text(&links).contains("tollgate_ami_up{server=\"pbx1\"} 0\n"));

    // Without servers there is nothing to wait for but the stop.
    let stop = CancellationToken::new();
    let (links, tasks) = Links::start(&Config::default(), &clock, &stop);
    assert_eq!(links.iter().count(), 0);
    let ended = tokio::spawn(tasks.ended());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!ended.is_finished());
    stop.cancel();
    timeout(PATIENCE, ended).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn the_task_ends_with_the_last_handle() {
    let server = FakeAsterisk::start(Behaviour::default()).await;
    let (link, task) = Link::start(settings(&server), Arc::new(SystemClock::new()), CancellationToken::new());
    wait_until_up(&link).await;
    let other = link.clone();
    drop(link);
    other.ping().await.unwrap();
    drop(other);
    timeout(PATIENCE, task).await.unwrap().unwrap();
}

mod tls {
    use base64::Engine as _;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::{ServerConfig, crypto::ring};

    use super::*;

    /// A server for `localhost`, and the PEM text of the authority that says so.
    async fn server() -> (FakeAsterisk, String) {
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = pem(authority.self_signed(&authority_key).unwrap().der());
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &issuer).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap();
        let tls = Some(TlsAcceptor::from(Arc::new(config)));
        (FakeAsterisk::start(Behaviour { tls, ..Behaviour::default() }).await, pem)
    }

    fn pem(der: &[u8]) -> String {
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        let lines: Vec<_> =
            text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
    }

    #[tokio::test]
    async fn a_server_with_the_right_certificate_is_talked_to_and_no_other() {
        let (server, authority) = server().await;
        let (_, stranger) = self::server().await;
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            Some(path)
        };
        let known = file("known.pem", &authority);
        let speaking = |authorities, name: &str| Settings {
            tls: Some(Tls { authorities, name: name.to_owned() }),
            ..settings(&server)
        };
        let link = start(speaking(known.clone(), "localhost"));
        wait_until_up(&link).await;
        link.ping().await.unwrap();
        for (authorities, name, reason) in [
            (file("stranger.pem", &stranger), "localhost", "TLS with"),
            (known.clone(), "pbx1.example", "TLS with"),
            (known, "no name", "is no name of a server"),
            (file("empty.pem", ""), "localhost", "it holds no certificate"),
            (Some(folder.path().join("missing.pem")), "localhost", "cannot be used"),
        ] {
            let link = start(speaking(authorities, name));
            reason_with(&link, reason).await;
        }
        // Nothing was asked but by the one link: no secret went to a server that is not known.
        assert_eq!(server.actions().iter().filter(|action| *action == "Challenge").count(), 1);
    }
}
