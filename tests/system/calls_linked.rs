//! Live calls over manager links: the real node linked to two servers that answer as Asterisk does and note what they are
//! asked.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tollgate::clock::Clock as _;
use tollgate::config::Asterisk;

use crate::app::TestApp;
use crate::app::asterisk::{Asked, Behaviour, FakeAsterisk, SECRET, USER};
use crate::app::database::Database;
use crate::app::decks::BERLIN;
use crate::app::house::money;
use crate::app::phone::{Dial, End, Granted};

const PATIENCE: Duration = Duration::from_secs(15);

/// What a server has: channels as `(name, unique id, linked id, context)`, and records of ended calls.
#[derive(Default)]
struct Has {
    channels: Vec<(String, String, String, &'static str)>,
    records: Vec<(String, String)>,
}

struct Server {
    fake: FakeAsterisk,
    has: Arc<Mutex<Has>>,
}

impl Server {
    async fn start(system_name: &'static str) -> Self {
        let has = Arc::new(Mutex::new(Has::default()));
        let shared = Arc::clone(&has);
        let behaviour = Behaviour::answering(move |asked| answer(asked, &shared));
        let fake = FakeAsterisk::start(Behaviour { system_name, ..behaviour }).await;
        Self { fake, has }
    }

    fn asked(&self, action: &str) -> Vec<Asked> {
        self.fake.asked().into_iter().filter(|asked| asked.action == action).collect()
    }

    async fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let began = Instant::now();
        while !holds(self) {
            assert!(
                began.elapsed() < PATIENCE,
                "waited in vain for {what}; asked: {:?}",
                self.fake.actions()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The called channel of a call answers, and the manager interface tells it.
    fn answer(&self, granted: &Granted, called: &str) {
        let unique_id = granted.dial.unique_id.clone();
        let mut has = self.has.lock().unwrap();
        has.channels.push((
            format!("PJSIP/alice-{}", called.len()),
            unique_id.clone(),
            unique_id.clone(),
            "tollgate",
        ));
        has.channels.push((
            called.to_owned(),
            format!("{unique_id}9"),
            unique_id.clone(),
            "tollgate-from-trunk",
        ));
        drop(has);
        self.say_answer(&unique_id, called);
    }

    fn say_answer(&self, unique_id: &str, called: &str) {
        self.fake.say_block(&format!(
            "Event: DialEnd\nPrivilege: call,all\nChannel: x\nUniqueid: {unique_id}\nDestChannel: {called}\n\
             DestUniqueid: {unique_id}9\nDialStatus: ANSWER\n"
        ));
    }
}

fn answer(asked: &Asked, has: &Mutex<Has>) -> Option<String> {
    let mut has = has.lock().unwrap();
    match asked.action.as_str() {
        "Getvar" => {
            let found = has.channels.iter().find(|(name, ..)| name == asked.get("Channel"));
            Some(match found {
                Some((_, _, linked, _)) => asked.success(&format!("Variable: v\nValue: {linked}\n")),
                None => asked.error("No such channel"),
            })
        }
        "AbsoluteTimeout" => Some(asked.success("Message: Timeout Set\n")),
        "CoreShowChannels" => {
            let row = |(name, unique_id, linked, context): &(String, String, String, &str)| {
                format!(
                    "Channel: {name}\nChannelState: 6\nContext: {context}\nExten: 1\nUniqueid: {unique_id}\n\
                     Linkedid: {linked}\nApplication: Dial\nBridgeId: b\n"
                )
            };
            Some(asked.list("CoreShowChannel", &has.channels.iter().map(row).collect::<Vec<_>>()))
        }
        "DBGetTree" if asked.get("Family") == "tg_unsettled" => {
            let row = |(key, value): &(String, String)| format!("Key: /tg_unsettled/{key}\nVal: {value}\n");
            Some(asked.list("DBGetTreeResponse", &has.records.iter().map(row).collect::<Vec<_>>()))
        }
        "DBGetTree" => Some(asked.list("DBGetTreeResponse", &[])),
        "DBDel" => {
            let before = has.records.len();
            has.records.retain(|(key, _)| key != asked.get("Key"));
            Some(if has.records.len() < before {
                asked.success("Message: Key deleted successfully\n")
            } else {
                asked.error("Database entry not found")
            })
        }
        "SorceryMemoryCacheExpire" | "SorceryMemoryCachePopulate" => Some(asked.success("Message: Done\n")),
        _ => None,
    }
}

/// A node that is linked to both.
async fn linked(servers: &[(&'static str, &Server)]) -> TestApp {
    let sections: Vec<Asterisk> = servers
        .iter()
        .map(|(name, server)| Asterisk {
            name: (*name).to_owned(),
            host: server.fake.address.ip().to_string(),
            port: server.fake.address.port(),
            username: USER.to_owned(),
            secret: Some(tollgate::config::Secret::new(SECRET)),
            secret_file: None,
            tls: false,
            tls_ca: None,
            tls_name: None,
        })
        .collect();
    let app = TestApp::on(Database::sqlite(), |config| {
        config.asterisk = sections;
        config.credit.slice_seconds = 20;
    })
    .await;
    app.furnish().await;
    for (_, server) in servers {
        server.until("the link", |server| !server.asked("CoreStatus").is_empty()).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    app
}

async fn dial(app: &TestApp, server: &str) -> Granted {
    app.until_admitting().await;
    let mut dial = Dial::new("alice", BERLIN);
    server.clone_into(&mut dial.server);
    dial.unique_id = dial.unique_id.replace("pbx1", server);
    dial.ask(app.fastagi).await.allowed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_metered_on_its_own_server_and_by_the_channel_that_is_its_own() {
    let (one, two) = (Server::start("pbx1").await, Server::start("pbx2").await);
    let app = linked(&[("pbx1", &one), ("pbx2", &two)]).await;
    let granted = dial(&app, "pbx2").await;
    // Somebody plants an answer of the call, by a channel of another one.
    two.has.lock().unwrap().channels.push((
        "PJSIP/stranger-1".to_owned(),
        "pbx2-1.1".to_owned(),
        "pbx2-1.1".to_owned(),
        "tollgate",
    ));
    two.say_answer(&granted.dial.unique_id, "PJSIP/stranger-1");
    two.until("the check", |server| !server.asked("Getvar").is_empty()).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(app.calls.live_calls()[0].talked_ms, None, "it is not believed");
    two.answer(&granted, "PJSIP/first-endpoint-00000001");
    two.until("the true answer", |_| app.calls.live_calls()[0].talked_ms.is_some()).await;
    app.clock.advance_ms(11_000);
    two.until("a new end", |server| !server.asked("AbsoluteTimeout").is_empty()).await;
    let pushed = two.asked("AbsoluteTimeout").remove(0);
    assert_eq!(pushed.get("Channel"), "PJSIP/first-endpoint-00000001");
    let left: f64 = pushed.get("Timeout").parse().unwrap();
    // Funded to 31 s of which 11 are talked, less the guard.
    assert!((19.0..20.0).contains(&left), "{left}");
    assert!(one.asked("AbsoluteTimeout").is_empty(), "the other server is not asked");
    assert!(app.calls.hang_up(&app.calls.live_calls()[0].key));
    two.until("the hangup", |server| !server.asked("Hangup").is_empty()).await;
    assert!(one.asked("Hangup").is_empty());
    app.until_admitting().await;
    assert!(app.end(&granted, &End::answered(11_000)).await);
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_ended_calls_are_read_settled_once_and_deleted() {
    let server = Server::start("pbx1").await;
    let app = linked(&[("pbx1", &server)]).await;
    let granted = dial(&app, "pbx1").await;
    app.clock.advance_ms(8_000);
    let now_us = app.clock.now().as_microsecond();
    let key = format!("{}.1", granted.dial.unique_id);
    let record = format!(
        "1|{}|7500|ANSWER|16|1|pbx1|1|{}|{now_us}|1:ANSWER:16:7600;|hung_up_by=caller",
        granted.ticket,
        now_us - 7_500_000
    );
    {
        let mut has = server.has.lock().unwrap();
        has.records.push((key, record));
        has.records.push(("pbx1-1.1.1".to_owned(), "1|not a ticket|9|ANSWER|16|1|pbx1|1|||x|".to_owned()));
    }
    // The link is lost and comes back: everything is looked at.
    server.fake.cut();
    server.until("the record to be deleted", |server| server.has.lock().unwrap().records.len() == 1).await;
    let cdr = app.cdr(&granted.dial).await;
    assert_eq!((cdr.answered_ms, cdr.charged_ms), (7_500, 7_500));
    assert_eq!(app.show("alice").await.held, money("0"));
    assert_eq!(server.has.lock().unwrap().records[0].0, "pbx1-1.1.1", "what is not ours is left");
    app.until_admitting().await;
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_gone_from_two_whole_lists_is_settled_and_a_planted_event_ends_none() {
    let server = Server::start("pbx1").await;
    let app = linked(&[("pbx1", &server)]).await;
    let granted = dial(&app, "pbx1").await;
    server.answer(&granted, "PJSIP/first-endpoint-00000001");
    server.until("the answer", |_| app.calls.live_calls()[0].talked_ms.is_some()).await;
    app.clock.advance_ms(6_000);
    let hangup = format!(
        "Event: Hangup\nPrivilege: call,all\nChannel: x\nUniqueid: {0}\nLinkedid: {0}\n",
        granted.dial.unique_id
    );
    let lists = server.asked("CoreShowChannels").len();
    server.fake.say_block(&hangup);
    server.until("a list", |server| server.asked("CoreShowChannels").len() > lists).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(app.calls.open_calls(), 1, "the list has it: it goes on");
    app.clock.advance_ms(4_000);
    server.has.lock().unwrap().channels.clear();
    server.fake.say_block(&hangup);
    server.until("the settlement", |_| app.calls.open_calls() == 0).await;
    let cdr = app.cdr(&granted.dial).await;
    assert!((5_900..=6_500).contains(&cdr.answered_ms), "to the list that had it last: {}", cdr.answered_ms);
    app.until_admitting().await;
    app.assert_right().await;
    app.stop().await;
}
