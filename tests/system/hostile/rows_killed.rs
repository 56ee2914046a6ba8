//! A process that is killed while it writes a campaign: the next one deletes what was written and releases what was held.

use std::time::Duration;

use serde_json::json;
use tollgate::store::Store;

use crate::app::book::number;
use crate::app::database::on_both;
use crate::app::messages::{ask, held};
use crate::sms_kill::house;

const SECTION: &str =
    "\n[[sms.provider]]\nname = \"simulator\"\nkind = \"simulator\"\nrate_per_second = 1000\n";
/// More than are written in a moment.
const RECIPIENTS: usize = 40_000;

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..1_200 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("not within 30 s: {what}");
}

on_both!(a_kill_between_the_hold_and_the_last_message_leaves_nothing_held_and_no_rows, database => {
    let (program, key) = house(database, SECTION);
    program.ok(&["credit", "alice", "9000", "--reference", "plenty"]);
    program.ok(&["credit", "acme", "9000", "--reference", "plenty"]);
    let store = Store::open(&program.database.url).await.unwrap();
    let phones: Vec<String> = (0..RECIPIENTS).map(|place| format!("+4915{place:06}9999")).collect();
    let body = json!({"phones": phones, "message": "Hi"});

    let serving = program.serve();
    let asked = tokio::spawn({
        let (at, key) = (serving.http, key.clone());
        async move { ask(at, &key, "bulk", &body).await }
    });
    let messages = async || number(&store, "SELECT COUNT(*) FROM sms_messages").await;
    until("the first messages are written", async || messages().await > 0).await;
    assert!(held(&store).await > 0, "the credit is held before a message is written");
    serving.kill();
    assert_eq!(asked.await.unwrap(), None, "it was killed before the campaign was taken");
    let written = messages().await;
    assert!(written > 0 && written < i64::try_from(RECIPIENTS).unwrap(), "{written} messages were written");
    assert_eq!(number(&store, "SELECT COUNT(*) FROM sms_campaigns WHERE state = 'STAGING'").await, 1);
    program.assert_audit();

    let serving = program.serve();
    until("nothing is held", async || held(&store).await == 0).await;
    assert_eq!(messages().await, 0);
    assert_eq!(number(&store, "SELECT COUNT(*) FROM sms_campaigns").await, 0);
    until("the wallets follow", async || program.shown("alice", "held") == "0").await;
    assert_eq!(program.shown("alice", "balance"), "10000");
    assert_eq!(program.shown("acme", "held"), "0");
    // What was held can be spent.
    let (status, answer) = ask(serving.http, &key, "send", &json!({"phone": phones[0], "message": "Hi"})).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    assert!(serving.stop().success());
    program.assert_audit();
});
