//! Messages while the server is killed, again and again: what the upstream was given was given once and is charged once.

#![expect(clippy::print_stdout, reason = "how many of what it was is what a run shows")]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use tollgate::secrets::random_below;
use tollgate::store::Store;

use crate::app::database::{Database, on_both};
use crate::app::decks::MESSAGES;
use crate::app::house::money;
use crate::app::messages::{self, Gateway, Kept, ask, charged, held, judge, number, until_over};
use crate::app::program::{Program, Serving, now};
use crate::sms_smpp::Smsc;

/// How often the server is killed.
const ROUNDS: usize = 8;
/// Who sends at once.
const SENDING: usize = 4;
/// Recipients of each campaign.
const RECIPIENTS: usize = 25;
/// Nobody is asked for too much.
const MANY: [(&str, &str); 2] = [
    ("TOLLGATE_HTTP__KEY_REQUESTS_PER_MINUTE", "10000000"),
    ("TOLLGATE_HTTP__ADDRESS_REQUESTS_PER_MINUTE", "10000000"),
];

/// What was acknowledged: ids of messages, and of campaigns.
#[derive(Debug, Default)]
struct Acknowledged {
    messages: Mutex<BTreeSet<i64>>,
    campaigns: Mutex<BTreeSet<i64>>,
    next: AtomicUsize,
    is_over: AtomicBool,
}

impl Acknowledged {
    fn numbers(&self, count: usize) -> Vec<String> {
        let first = self.next.fetch_add(count, Ordering::SeqCst);
        (first..first + count).map(number).collect()
    }
}

/// A program with a house that sells messages, over this way out; and the client's key.
pub(crate) fn house(database: Database, section: &str) -> (Program, String) {
    let program = Program::on(database);
    let text = std::fs::read_to_string(&program.config).unwrap();
    std::fs::write(&program.config, text + section).unwrap();
    program.furnish();
    let deck = program.file("messages.csv", MESSAGES);
    program.ok(&["tariff", "import", "messages", &deck, "--sms"]);
    program.ok(&["plan", "set", "wholesale", "--sms-tariff", "messages"]);
    program.ok(&["credit", "alice", "900", "--reference", "more"]);
    program.ok(&["credit", "acme", "900", "--reference", "more"]);
    let key = program.ok(&["key", "create", "alice"])["key"].as_str().unwrap().to_owned();
    (program, key)
}

fn id(answer: &Value, name: &str) -> i64 {
    answer[name].as_i64().unwrap_or_else(|| panic!("{answer}"))
}

/// Asks for messages of one sort until the server dies.
async fn asking(serving: std::net::SocketAddr, key: String, sort: usize, told: Arc<Acknowledged>) {
    while !told.is_over.load(Ordering::SeqCst) {
        let (endpoint, body) = match sort {
            0 => {
                let at = now() + SignedDuration::from_millis(1_200);
                let at = at.strftime("%Y-%m-%d %H:%M:%S").to_string();
                let phone = told.numbers(1).remove(0);
                ("schedule", json!({"phone": phone, "message": "later", "scheduled_at": at}))
            }
            1 => ("bulk", json!({"phones": told.numbers(RECIPIENTS), "message": "all of you"})),
            _ => ("send", json!({"phone": told.numbers(1).remove(0), "message": "now"})),
        };
        let Some((status, answer)) = ask(serving, &key, endpoint, &body).await else { return };
        if status == 400 && endpoint == "schedule" {
            // The second was over before it was read.
            continue;
        }
        assert_eq!(status, 200, "{endpoint} {body}: {answer}");
        match endpoint {
            "send" => told.messages.lock().unwrap().insert(id(&answer, "sms_id")),
            "schedule" => told.messages.lock().unwrap().insert(id(&answer, "scheduled_sms_id")),
            _ => told.campaigns.lock().unwrap().insert(id(&answer, "campaign_id")),
        };
        if sort < 2 {
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    }
}

/// Waits until a message and a campaign more than now are acknowledged.
async fn until_acknowledged(told: &Acknowledged) {
    let count = || (told.messages.lock().unwrap().len(), told.campaigns.lock().unwrap().len());
    let before = count();
    let grown = async {
        while count().0 == before.0 || count().1 == before.1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), grown).await.expect("messages are acknowledged");
}

/// Serves, is asked, and is killed at a random moment.
async fn round(serving: Serving, key: &str, told: &Arc<Acknowledged>) {
    let asked: Vec<_> = (0..SENDING + 2)
        .map(|sort| tokio::spawn(asking(serving.http, key.to_owned(), sort, Arc::clone(told))))
        .collect();
    // A moment after something was acknowledged in this round, however slow the machine is.
    until_acknowledged(told).await;
    tokio::time::sleep(Duration::from_millis(random_below(700))).await;
    serving.kill();
    for task in asked {
        task.await.unwrap();
    }
}

/// Kills it again and again, and lets it come to its end; what is in the book then.
async fn killed(program: &Program, key: &str, told: &Arc<Acknowledged>) -> Vec<Kept> {
    for _ in 0..ROUNDS {
        round(program.serve_with(&MANY), key, told).await;
    }
    let serving = program.serve_with(&MANY);
    let store = Store::open(&program.database.url).await.unwrap();
    let kept = until_over(&store, Duration::from_secs(90)).await;
    assert!(serving.stop().success());
    kept
}

/// What must be true of the book, whoever the upstream is.
async fn assert_right(program: &Program, kept: &[Kept], told: &Acknowledged) {
    let store = Store::open(&program.database.url).await.unwrap();
    let ids: BTreeSet<i64> = kept.iter().map(|message| message.id).collect();
    let messages = told.messages.lock().unwrap().clone();
    assert!(messages.len() >= ROUNDS, "{} messages were acknowledged", messages.len());
    for id in &messages {
        assert!(ids.contains(id), "message {id} was acknowledged and is gone");
    }
    let campaigns = told.campaigns.lock().unwrap().clone();
    assert!(!campaigns.is_empty(), "campaigns were acknowledged");
    for id in &campaigns {
        let recipients = kept.iter().filter(|message| message.campaign_id == Some(*id)).count();
        assert_eq!(recipients, RECIPIENTS, "campaign {id} was acknowledged");
    }
    let due = kept.iter().filter(|message| message.is_charged).collect::<Vec<_>>();
    assert_eq!(charged(&store).await, i64::try_from(due.len()).unwrap(), "each is charged once");
    assert_eq!(held(&store).await, 0, "nothing is set aside at the end");
    let spent: i64 = due.iter().map(|message| message.charge).sum();
    let left = money("1000").checked_sub(tollgate_rating::Money::from_nanos(spent)).unwrap();
    assert_eq!(program.shown("alice", "balance"), left.to_string());
    assert_eq!(program.shown("alice", "held"), "0");
    program.assert_audit();
}

on_both!(what_a_gateway_with_a_journal_was_given_was_given_once_and_is_charged_once, database => {
    let gateway = Gateway::start().await;
    gateway.slow(40);
    let (program, key) = house(database, &gateway.section(300));
    let told = Arc::new(Acknowledged::default());
    let kept = killed(&program, &key, &told).await;
    let judged = judge(&kept, &gateway.given());
    println!("{judged:?}, {} acknowledged", told.messages.lock().unwrap().len());
    assert_eq!(judged.unknown_given, 0, "the journal tells of all that it was given");
    assert!(judged.sent > 0);
    assert_right(&program, &kept, &told).await;
});

on_both!(what_an_smsc_was_given_was_given_once_and_is_charged_once, database => {
    let mut smsc = Smsc::start(None).await;
    let section = format!(
        "\n[[sms.provider]]\nname = \"smsc\"\nkind = \"smpp\"\nhost = \"127.0.0.1\"\nport = {}\nsystem_id = \"tollgate\"\n\
         password = \"hunter2\"\nrate_per_second = 300\n",
        smsc.port
    );
    let (program, key) = house(database, &section);
    let told = Arc::new(Acknowledged::default());
    let kept = killed(&program, &key, &told).await;
    let seen = smsc.look().await;
    let mut given = std::collections::BTreeMap::new();
    for one in seen["record"].as_array().unwrap() {
        *given.entry(one["to"]["address"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    let judged = judge(&kept, &given);
    println!("{judged:?}, {} acknowledged", told.messages.lock().unwrap().len());
    assert!(judged.sent > 0);
    assert_right(&program, &kept, &told).await;
});

/// A stop in order leaves nothing that is not known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_in_order_leaves_no_message_of_which_it_is_not_known_whether_it_was_sent() {
    let gateway = Gateway::start().await;
    gateway.slow(40);
    // Slow enough that messages wait for their place when it stops.
    let (program, key) = house(Database::sqlite(), &gateway.section(40));
    let numbers: Vec<String> = (0..100).map(number).collect();
    let body = json!({"phones": numbers, "message": "all of you"});
    let store = Store::open(&program.database.url).await.unwrap();
    for round in 0..4 {
        let serving = program.serve_with(&MANY);
        if round == 0 {
            assert_eq!(ask(serving.http, &key, "bulk", &body).await.unwrap().0, 200);
        }
        tokio::time::sleep(Duration::from_millis(150 + random_below(300))).await;
        assert!(serving.stop().success());
        let kept = messages::kept(&store).await;
        let unclear = kept.iter().filter(|message| ["SENDING", "UNKNOWN"].contains(&message.state.as_str()));
        assert_eq!(unclear.count(), 0);
    }
    let serving = program.serve_with(&MANY);
    let kept = until_over(&store, Duration::from_secs(40)).await;
    assert!(serving.stop().success());
    let judged = judge(&kept, &gateway.given());
    assert_eq!(judged.sent, 100, "{judged:?}");
    assert_eq!(held(&store).await, 0);
    program.assert_audit();
}
