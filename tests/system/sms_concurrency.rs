//! Messages by many at once: credit for some sends so many, what is called back is not sent, and limits hold.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use tollgate::accounts::ops::AccountChange;
use tollgate::clock::Clock as _;
use tollgate::config::Config;
use tollgate::secrets::random_below;

use crate::app::TestApp;
use crate::app::database::{Database, on_both};
use crate::app::decks::{BERLIN, MESSAGES};
use crate::app::house::money;
use crate::app::http::Script;
use crate::app::messages::{Gateway, Kept, judge, kept, number, until_over};
use crate::app::phone::{Answer, End};
use crate::app::program::Program;
use crate::app::wire::wire_to;

/// Everything comes to its end within this.
const PATIENCE: Duration = Duration::from_secs(30);

/// The configuration that leads to a gateway, for scripts that ask much.
pub(crate) fn through(gateway: &Gateway, rate_per_second: u32) -> impl FnOnce(&mut Config) {
    let sms = Config::from_text(&gateway.section(rate_per_second), []).unwrap().sms;
    move |config: &mut Config| {
        config.sms = sms;
        config.http.key_requests_per_minute = 1_000_000;
        config.http.address_requests_per_minute = 1_000_000;
        config.limits.changes_per_minute = 1_000_000;
    }
}

/// A house that sells messages: to its client for 0.03996, to its reseller for 0.0333.
pub(crate) async fn house(database: Database, gateway: &Gateway, rate_per_second: u32) -> TestApp {
    let app = TestApp::on(database, through(gateway, rate_per_second)).await;
    app.furnish().await;
    app.sell_messages("wholesale", "messages", MESSAGES).await;
    app
}

fn message(n: usize) -> Value {
    json!({"phone": number(n), "message": "hello"})
}

/// So many messages at once; the status and the code of each answer, counted.
async fn at_once(script: &Script, numbers: std::ops::Range<usize>) -> BTreeMap<(u16, String), usize> {
    let asking: Vec<_> = numbers
        .map(|n| {
            let script = script.clone();
            tokio::spawn(async move { script.write("sms-api", "send", &message(n)).await })
        })
        .collect();
    let mut answers = BTreeMap::new();
    for asked in asking {
        let answered = asked.await.unwrap();
        let code = answered.json()["code"].as_str().unwrap_or_default().to_owned();
        *answers.entry((answered.status, code)).or_insert(0) += 1;
    }
    answers
}

fn taken(answers: &BTreeMap<(u16, String), usize>) -> usize {
    answers.get(&(200, String::new())).copied().unwrap_or(0)
}

async fn over(app: &TestApp) -> Vec<Kept> {
    until_over(&app.services.store, PATIENCE).await
}

/// Waits until wallets have followed the book, and proves both.
async fn assert_right(app: &TestApp) {
    tokio::time::sleep(Duration::from_millis(300)).await;
    app.assert_right().await;
}

on_both!(of_a_hundred_simultaneous_messages_the_clients_credit_for_five_sends_five, database => {
    let gateway = Gateway::start().await;
    let app = house(database, &gateway, 1_000).await;
    app.leave("alice", "0.2").await;
    let answers = at_once(&app.script("alice").await, 0..100).await;
    assert_eq!(taken(&answers), 5, "{answers:?}");
    assert_eq!(answers.get(&(402, "no_credit".to_owned())), Some(&95), "{answers:?}");
    let judged = judge(&over(&app).await, &gateway.given());
    assert_eq!((judged.sent, gateway.count()), (5, 5), "{judged:?}");
    assert_eq!(app.balance("alice").await, "0.0002");
    assert_right(&app).await;
    app.stop().await;
});

on_both!(of_a_hundred_simultaneous_messages_the_resellers_credit_for_five_sends_five, database => {
    let gateway = Gateway::start().await;
    let app = house(database, &gateway, 1_000).await;
    app.leave("acme", "0.17").await;
    let answers = at_once(&app.script("alice").await, 0..100).await;
    assert_eq!(taken(&answers), 5, "{answers:?}");
    let refused: usize = answers.iter().filter(|((_, code), _)| code == "unavailable").map(|(_, count)| count).sum();
    assert_eq!(refused, 95, "the client is not told whose credit is short: {answers:?}");
    let judged = judge(&over(&app).await, &gateway.given());
    assert_eq!((judged.sent, gateway.count()), (5, 5), "{judged:?}");
    assert_eq!((app.balance("acme").await, app.balance("alice").await), ("0.0035".to_owned(), "99.8002".to_owned()));
    assert_right(&app).await;
    app.stop().await;
});

on_both!(a_campaign_that_cannot_be_paid_leaves_nothing_behind, database => {
    let gateway = Gateway::start().await;
    let app = house(database, &gateway, 1_000).await;
    let script = app.script("alice").await;
    let all: Vec<String> = (0..1_200).map(number).collect();
    let body = json!({"phones": all, "message": "hello"});
    app.leave("alice", "40").await;
    assert_eq!(script.write("sms-api", "bulk", &body).await.refused(402), "no_credit");
    // What is free is enough when it is looked at, and not any more when all is written.
    app.leave("alice", "48").await;
    let asking = (0..4).map(|_| script.write("sms-api", "bulk", &body));
    let answers = futures::future::join_all(asking).await;
    assert_eq!(answers.iter().filter(|answered| answered.status == 200).count(), 1, "{answers:?}");
    let kept = over(&app).await;
    assert_eq!(kept.len(), 1_200);
    assert_eq!(judge(&kept, &gateway.given()).sent, 1_200);
    assert_right(&app).await;
    app.stop().await;
});

on_both!(credit_is_never_spent_on_a_call_and_a_message, database => {
    let gateway = Gateway::start().await;
    let app = house(database, &gateway, 1_000).await;
    let script = app.script("alice").await;
    app.set("alice", AccountChange { max_call_seconds: Some(Some(120)), ..AccountChange::default() }).await;
    app.leave("alice", "0.3").await;
    // Two minutes at 0.062076 a minute are set aside for the call.
    let live = app.dial("alice", BERLIN).await.allowed();
    let answers = at_once(&script, 0..50).await;
    assert_eq!(taken(&answers), 4, "{answers:?}");
    app.talk(&live, 60_000).await;
    over(&app).await;
    assert_eq!(app.balance("alice").await, "0.078084");

    // Calls and messages for the same few cents, all at once.
    app.leave("alice", "0.1").await;
    let dialling: Vec<_> = (0..20)
        .map(|_| {
            let fastagi = app.fastagi;
            tokio::spawn(async move { crate::app::phone::Dial::new("alice", BERLIN).ask(fastagi).await })
        })
        .collect();
    let answers = at_once(&script, 100..150).await;
    let mut granted = Vec::new();
    for asked in dialling {
        let answer: Answer = asked.await.unwrap();
        if answer.is_allowed() {
            granted.push(answer.allowed());
        }
    }
    over(&app).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let shown = app.show("alice").await;
    assert!(shown.held <= shown.balance, "{shown:?}");
    assert!(!granted.is_empty() || taken(&answers) == 2);
    for granted in &granted {
        assert!(app.end(granted, &End::busy()).await);
    }
    let spent = money("0.03996").nanos() * i64::try_from(taken(&answers)).unwrap();
    assert_eq!(app.show("alice").await.balance.nanos(), money("0.1").nanos() - spent);
    judge(&kept(&app.services.store).await, &gateway.given());
    assert_right(&app).await;
    app.stop().await;
});

on_both!(a_message_that_is_called_back_is_not_sent_and_one_that_is_sent_is_not_called_back, database => {
    let gateway = Gateway::start().await;
    gateway.slow(20);
    let app = house(database, &gateway, 200).await;
    let script = Arc::new(app.script("alice").await);
    let mut ids = Vec::new();
    for n in 0..150 {
        let body = json!({"phone": number(n), "message": "later", "scheduled_at": "2026-11-21 12:01:00"});
        ids.push(script.write("sms-api", "schedule", &body).await.ok()["scheduled_sms_id"].as_i64().unwrap());
    }
    assert_eq!(app.held("alice").await, "5.994");
    assert_eq!(gateway.count(), 0);
    let cancel = |id: i64, after: u64| {
        let script = Arc::clone(&script);
        async move {
            tokio::time::sleep(Duration::from_millis(after)).await;
            let body = json!({"scheduled_sms_id": id});
            (id, script.write("sms-api", "cancel-scheduled", &body).await.status)
        }
    };
    // Some before their time, some in the middle of it, some after it; each by two at once.
    let mut answers = Vec::new();
    for id in &ids[..20] {
        answers.push(cancel(*id, 0).await);
    }
    app.advance_ms(60_000).await;
    let racing: Vec<_> = ids[20..130]
        .iter()
        .flat_map(|id| [cancel(*id, random_below(1_200)), cancel(*id, random_below(1_200))])
        .map(tokio::spawn)
        .collect();
    for raced in racing {
        answers.push(raced.await.unwrap());
    }
    over(&app).await;
    for id in &ids[130..] {
        answers.push(cancel(*id, 0).await);
    }
    let kept = over(&app).await;
    let mut called_back: BTreeMap<i64, usize> = BTreeMap::new();
    for (id, status) in answers {
        assert!([200, 409].contains(&status), "{status}");
        *called_back.entry(id).or_insert(0) += usize::from(status == 200);
    }
    assert!(called_back.values().all(|times| *times <= 1), "{called_back:?}");
    for message in &kept {
        let is_back = called_back[&message.id] == 1;
        assert_eq!(is_back, message.state == "CANCELLED", "{message:?}");
    }
    let judged = judge(&kept, &gateway.given());
    assert!(judged.free >= 20 && judged.sent >= 20, "{judged:?}");
    assert_eq!(judged.free + judged.sent, 150, "{judged:?}");
    let spent = money("0.03996").nanos() * i64::try_from(judged.sent).unwrap();
    let shown = app.show("alice").await;
    assert_eq!((shown.balance.nanos(), shown.held), (money("100").nanos() - spent, money("0")));
    assert_right(&app).await;
    app.stop().await;
});

on_both!(a_campaign_that_is_called_back_while_it_runs_sends_and_charges_the_same_ones, database => {
    let gateway = Gateway::start().await;
    gateway.slow(20);
    let app = house(database, &gateway, 300).await;
    let script = app.script("alice").await;
    let all: Vec<String> = (0..600).map(number).collect();
    let body = json!({"phones": all, "message": "hello"});
    let id = script.write("sms-api", "bulk", &body).await.ok()["campaign_id"].as_i64().unwrap();
    while gateway.count() < 60 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let body = json!({"campaign_id": id});
    let (one, other) = tokio::join!(
        script.write("sms-api", "cancel-campaign", &body),
        script.write("sms-api", "cancel-campaign", &body)
    );
    let (won, lost) = if one.status == 200 { (one, other) } else { (other, one) };
    assert_eq!(lost.refused(409), "too_late");
    let cancelled = won.ok()["recipients_cancelled"].as_u64().unwrap();
    let kept = over(&app).await;
    let judged = judge(&kept, &gateway.given());
    assert_eq!(judged.sent + judged.free, 600, "{judged:?}");
    assert_eq!(u64::try_from(judged.free).unwrap(), cancelled);
    assert!(cancelled > 0 && judged.sent >= 60, "{judged:?}");
    let campaigns = script.read("sms-api", "campaigns").await.ok();
    let campaign = &campaigns["campaigns"][0];
    assert_eq!((&campaign["status"], &campaign["cancelled"]), (&json!("CANCELLED"), &json!(cancelled)));
    assert_eq!(campaign["sent"], json!(judged.sent));
    let spent = money("0.03996").nanos() * i64::try_from(judged.sent).unwrap();
    let shown = app.show("alice").await;
    assert_eq!((shown.balance.nanos(), shown.held), (money("100").nanos() - spent, money("0")));
    assert_right(&app).await;
    app.stop().await;
});

on_both!(the_days_spending_limit_is_over_calls_and_messages_together_and_survives_a_restart, database => {
    let gateway = Gateway::start().await;
    let app = house(database, &gateway, 1_000).await;
    let limited = AccountChange { daily_spend: Some(Some(money("0.15"))), ..AccountChange::default() };
    app.set("alice", limited).await;
    let script = app.script("alice").await;
    // A minute for 0.062076, a message for 0.03996, and as much set aside for another: 0.008004 are left.
    let call = app.dial("alice", BERLIN).await.allowed();
    assert_eq!(at_once(&script, 0..5).await.get(&(200, String::new())), None, "the call may need all of it");
    app.talk(&call, 60_000).await;
    script.write("sms-api", "send", &message(10)).await.ok();
    let later = json!({"phone": number(11), "message": "later", "scheduled_at": "2026-11-21 12:30:00"});
    script.write("sms-api", "schedule", &later).await.ok();
    let answers = at_once(&script, 12..32).await;
    assert!(answers.keys().all(|(status, code)| (*status, code.as_str()) == (422, "daily_limit")), "{answers:?}");
    let app = TestApp::on(app.stop().await, through(&gateway, 1_000)).await;
    let script = Script { at: app.http, ..script };
    let answers = at_once(&script, 12..32).await;
    assert!(answers.keys().all(|(status, code)| (*status, code.as_str()) == (422, "daily_limit")), "{answers:?}");
    assert_eq!(app.held("alice").await, "0.03996");
    app.advance_ms(30 * 60_000).await;
    let kept = over(&app).await;
    assert_eq!(judge(&kept, &gateway.given()).sent, 2);
    assert_eq!(taken(&at_once(&script, 12..32).await), 0);
    // The next day, in the plan's zone.
    app.advance_ms(12 * 3_600_000).await;
    let answers = at_once(&script, 32..52).await;
    assert_eq!(taken(&answers), 3, "{answers:?}");
    over(&app).await;
    assert_right(&app).await;
    app.stop().await;
});

on_both!(a_second_process_sends_nothing_of_the_first_ones, database => {
    let gateway = Gateway::start().await;
    gateway.slow(30);
    let program = Program::on(database);
    let text = std::fs::read_to_string(&program.config).unwrap();
    std::fs::write(&program.config, text + &gateway.section(100)).unwrap();
    program.furnish();
    let deck = program.file("messages.csv", MESSAGES);
    program.ok(&["tariff", "import", "messages", &deck, "--sms"]);
    program.ok(&["plan", "set", "wholesale", "--sms-tariff", "messages"]);
    let key = program.ok(&["key", "create", "alice"])["key"].as_str().unwrap().to_owned();
    let serving = program.serve();
    let all: Vec<String> = (0..200).map(number).collect();
    let body = json!({"phones": all, "message": "hello"});
    let script = Script { at: serving.http, key: Some(key) };
    script.write("sms-api", "bulk", &body).await.ok();
    let second = program.serve_in_vain();
    assert_eq!(second.status, 1, "{second:?}");
    assert!(second.out.contains("owns"), "{second:?}");
    let store = tollgate::store::Store::open(&program.database.url).await.unwrap();
    let kept = until_over(&store, PATIENCE).await;
    assert_eq!(judge(&kept, &gateway.given()).sent, 200);
    assert!(serving.stop().success());
    program.assert_audit();
});

/// A commit arrives, and nobody hears that it did.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_whose_answers_are_lost_send_and_charge_nothing_twice() {
    let gateway = Gateway::start().await;
    let mut database = Database::postgres().await;
    let wire = wire_to(&database.url).await;
    database.url.clone_from(&wire.url);
    let app = house(database, &gateway, 1_000).await;
    let script = app.script("alice").await;
    let mut taken = 0;
    for n in 0..24 {
        // Which commit it is that nobody hears of is left to chance.
        let losing = Arc::clone(&wire.lose_answers);
        let lose = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(random_below(30))).await;
            losing.store(1, std::sync::atomic::Ordering::SeqCst);
        });
        let answered = script.write("sms-api", "send", &message(n)).await;
        taken += usize::from(answered.status == 200);
        lose.await.unwrap();
    }
    wire.lose_answers.store(0, std::sync::atomic::Ordering::SeqCst);
    let kept = over(&app).await;
    let judged = judge(&kept, &gateway.given());
    assert!(taken > 0 && judged.sent >= taken, "{judged:?}, {taken} taken");
    assert_eq!(judged.unknown_given + judged.unknown_not_given, 0, "{judged:?}");
    let spent = money("0.03996").nanos() * i64::try_from(judged.sent).unwrap();
    assert_right(&app).await;
    assert_eq!(app.show("alice").await.balance.nanos(), money("100").nanos() - spent);
    app.stop().await;
}

/// A message that is tried again is tried by one, and waits as long as it should.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_nobody_takes_wait_are_tried_again_and_given_up_without_a_charge() {
    let gateway = Gateway::start().await;
    let mut closed = gateway.clone();
    closed.at = "127.0.0.1:1".parse().unwrap();
    let app = house(Database::sqlite(), &closed, 1_000).await;
    let script = app.script("alice").await;
    let sent = script.write("sms-api", "send", &message(0)).await.ok();
    assert_eq!(sent["status"], "QUEUED");
    assert_eq!(app.held("alice").await, "0.03996");
    for _ in 0..30 {
        app.advance_ms(60_000).await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        if kept(&app.services.store).await[0].is_over() {
            break;
        }
    }
    let kept = over(&app).await;
    assert_eq!((kept[0].state.as_str(), kept[0].is_charged), ("FAILED", false));
    assert!(app.clock.now().duration_since(crate::app::noon()) >= SignedDuration::from_mins(10));
    assert_eq!((app.balance("alice").await, app.held("alice").await), ("100".to_owned(), "0".to_owned()));
    assert_right(&app).await;
    app.stop().await;
}
