//! Searches of price lists: each is cheap, few are carried out at once, and a flood of them waits for itself.

use std::fmt::Write as _;

use futures::future::join_all;

use crate::app::TestApp;
use crate::app::decks::BERLIN;
use crate::app::phone::End;

/// Searches that one key makes at once.
const FLOOD: usize = 200;

/// A deck of some thousands of prefixes.
fn deck() -> &'static str {
    let mut text = "prefix,destination,price_per_minute\n".to_owned();
    for number in 0..6_000 {
        writeln!(text, "49{number:04},Germany area {},0.05", number / 50).unwrap();
    }
    text.leak()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_searches_is_answered_or_refused_and_keeps_nobody_waiting() {
    let app = TestApp::start().await;
    app.furnish().await;
    app.tariff("sold", deck()).await;
    app.reseller("quiet", "wholesale", None).await;
    app.client("carol", Some("quiet"), "retail").await;
    let (flooding, quiet) = (app.script("acme").await, app.script("quiet").await);
    let flood: Vec<_> = (0..FLOOD)
        .map(|n| {
            let script = flooding.clone();
            let wanted = ["area%2077", "49123", "germany", ""][n % 4];
            let endpoint = format!("client-rates&login=alice&limit=200&offset={n}&q={wanted}");
            tokio::spawn(async move { script.read("reseller-api", &endpoint).await })
        })
        .collect();
    // Another account's search waits for its turn and not for the queue; a call waits for neither.
    let found = quiet.read("reseller-api", "client-rates&login=carol&q=area%20119").await.ok();
    assert_eq!(found["total"], 50);
    assert_eq!(found["rates"][0]["prefix"], "495950");
    let granted = app.dial("alice", BERLIN).await.allowed();
    assert!(app.end(&granted, &End::answered(1_000)).await);
    let mut answered = 0;
    for answer in join_all(flood).await {
        let answer = answer.unwrap();
        match answer.status {
            200 => answered += 1,
            429 => assert!(answer.headers.contains_key("retry-after"), "{answer:?}"),
            _ => panic!("{answer:?}"),
        }
    }
    assert!(answered > 0);
    app.assert_right().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minutes_budget_does_not_come_as_one_burst() {
    let app = TestApp::start_with(|config| {
        config.http.key_requests_per_minute = 240;
        config.http.burst_seconds = 5;
    })
    .await;
    app.furnish().await;
    let script = app.script("alice").await;
    let answers = join_all((0..120).map(|_| script.read("client-api", "balance"))).await;
    let refused = answers.iter().filter(|answer| answer.status == 429).count();
    // 20 at once, and four more each second that the requests take.
    assert!(refused >= 20, "{refused} of 120 were refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prices_that_begin_to_hold_are_found_from_that_moment_on() {
    let app = TestApp::start().await;
    app.furnish().await;
    let dated = "prefix,destination,price_per_minute,valid_from\n49,Germany,0.05,\n4930,Berlin,0.06,2026-11-21T12:00:30Z\n";
    app.tariff("sold", dated).await;
    let script = app.script("acme").await;
    let total = async || script.read("reseller-api", "client-rates&login=alice").await.ok()["total"].clone();
    assert_eq!(total().await, 1);
    app.advance_ms(60_000).await;
    assert_eq!(total().await, 2, "a list is made anew when a rate begins to hold");
}
