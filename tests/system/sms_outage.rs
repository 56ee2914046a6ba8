//! Messages while the database is away, and very many of them.

use std::time::Duration;

use serde_json::json;
use tollgate::store::Store;

use crate::app::database::{Database, on_both};
use crate::app::decks::MESSAGES;
use crate::app::house::money;
use crate::app::messages::{Gateway, ask, judge, number, until_over};
use crate::app::program::Program;
use crate::app::wire::Outage;
use crate::sms_concurrency::house;

/// How much more memory a campaign may take that is ten times another: its request and its numbers, for a moment.
const MORE_KILOBYTES: u64 = 16 * 1_024;
/// Recipients of the smaller campaign, and of the larger one.
const FEW: usize = 2_000;
const MANY: usize = 20_000;

on_both!(what_providers_say_while_the_database_is_away_is_written_when_it_is_back, database => {
    let mut database = database;
    let mut outage = Outage::of(&database.url).await;
    database.url.clone_from(&outage.url);
    let gateway = Gateway::start().await;
    gateway.slow(600);
    let app = house(database, &gateway, 1_000).await;
    let script = app.script("alice").await;
    let asking: Vec<_> = (0..20)
        .map(|n| {
            let script = script.clone();
            let body = json!({"phone": number(n), "message": "hello"});
            tokio::spawn(async move { script.write("sms-api", "send", &body).await })
        })
        .collect();
    while gateway.count() < 20 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    outage.begin().await;
    // All of them are answered, and none of the answers can be written; longer than a writer waits for its turn.
    tokio::time::sleep(Duration::from_millis(6_500)).await;
    outage.end().await;
    for asked in asking {
        assert_eq!(asked.await.unwrap().ok()["status"], "SENT_TO_PROVIDER");
    }
    let kept = until_over(&app.services.store, Duration::from_secs(30)).await;
    let judged = judge(&kept, &gateway.given());
    assert_eq!((judged.sent, gateway.count()), (20, 20), "{judged:?}");
    app.until_admitting().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(app.balance("alice").await, "99.2008");
    app.assert_right().await;
    app.stop().await;
});

/// The server of the database ends every connection, again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_the_database_ends_lose_no_message_and_send_none_twice() {
    let gateway = Gateway::start().await;
    gateway.slow(30);
    let database = Database::postgres().await;
    let admin = sqlx::PgPool::connect(&database.url).await.unwrap();
    let app = house(database, &gateway, 150).await;
    let script = app.script("alice").await;
    let all: Vec<String> = (0..300).map(number).collect();
    let body = json!({"phones": all, "message": "hello"});
    script.write("sms-api", "bulk", &body).await.ok();
    for _ in 0..6 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .execute(&admin)
        .await
        .unwrap();
    }
    let kept = until_over(&app.services.store, Duration::from_secs(30)).await;
    let judged = judge(&kept, &gateway.given());
    assert_eq!((judged.sent, gateway.count()), (300, 300), "{judged:?}");
    app.until_admitting().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let spent = money("0.03996").nanos() * 300;
    assert_eq!(app.show("alice").await.balance.nanos(), money("100").nanos() - spent);
    app.assert_right().await;
    app.stop().await;
    admin.close().await;
}

/// The most memory that a process has had.
fn peak_kilobytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_to_twenty_thousand_takes_no_memory_for_each_and_sends_one_to_each() {
    let gateway = Gateway::start().await;
    let program = Program::on(Database::sqlite());
    let text = std::fs::read_to_string(&program.config).unwrap();
    std::fs::write(&program.config, text + &gateway.section(10_000)).unwrap();
    program.furnish();
    let deck = program.file("messages.csv", MESSAGES);
    program.ok(&["tariff", "import", "messages", &deck, "--sms"]);
    program.ok(&["plan", "set", "wholesale", "--sms-tariff", "messages"]);
    program.ok(&["credit", "alice", "1000", "--reference", "more"]);
    program.ok(&["credit", "acme", "1000", "--reference", "more"]);
    let key = program.ok(&["key", "create", "alice"])["key"].as_str().unwrap().to_owned();
    let serving = program.serve();
    let store = Store::open(&program.database.url).await.unwrap();
    let mut peaks = Vec::new();
    for numbers in [0..FEW, FEW..FEW + MANY] {
        let all: Vec<String> = numbers.map(number).collect();
        let begun = std::time::Instant::now();
        let body = json!({"phones": all, "message": "hello"});
        let (status, answer) = ask(serving.http, &key, "bulk", &body).await.unwrap();
        assert_eq!((status, &answer["recipients_queued"]), (200, &json!(all.len())), "{answer}");
        let taken = begun.elapsed();
        until_over(&store, Duration::from_mins(2)).await;
        peaks.push(peak_kilobytes(serving.process()));
        println!(
            "{} taken in {taken:?}, sent in {:?}; peak {} kB",
            all.len(),
            begun.elapsed(),
            peaks[peaks.len() - 1]
        );
    }
    assert!(peaks[1] - peaks[0] <= MORE_KILOBYTES, "{peaks:?} kB");
    let kept = until_over(&store, Duration::from_secs(1)).await;
    let judged = judge(&kept, &gateway.given());
    assert_eq!((judged.sent, gateway.count()), (FEW + MANY, FEW + MANY), "{judged:?}");
    assert!(serving.stop().success());
    program.assert_audit();
}
