//! Tickets that were forged, re-encoded or replayed: none moves money, and the right one still settles, once.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};

use crate::app::TestApp;
use crate::app::decks::BERLIN;
use crate::app::phone::End;

/// Forged tickets that are tried.
const FORGERIES: usize = 300;

/// Texts that resemble the right ticket, or nothing.
fn forgery(ticket: &str) -> impl Strategy<Value = String> {
    let (ticket, length) = (ticket.to_owned(), ticket.len());
    let changed = |change: fn(&mut String, usize, &str)| {
        let ticket = ticket.clone();
        (0..length, "[A-Za-z0-9_-]").prop_map(move |(at, character)| {
            let mut text = ticket.clone();
            change(&mut text, at, &character);
            text
        })
    };
    prop_oneof![
        3 => changed(|text, at, character| text.replace_range(at..=at, character)),
        2 => changed(|text, at, character| text.insert_str(at, character)),
        2 => changed(|text, at, _| text.replace_range(at..=at, "")),
        1 => changed(|text, at, _| text.truncate(at)),
        1 => changed(|text, at, _| { let again = text[..at].to_owned(); text.push_str(&again); }),
        // The same bytes written in another way.
        1 => changed(|text, _, _| text.push('=')),
        1 => changed(|text, _, _| text.insert(0, ' ')),
        1 => changed(|text, _, _| *text = text.to_ascii_uppercase()),
        1 => "[A-Za-z0-9_-]{1,480}",
    ]
}

#[tokio::test]
async fn no_forged_ticket_moves_money_and_the_right_one_still_settles() {
    let app = TestApp::start().await;
    app.furnish().await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    app.clock.advance_ms(3_000);
    let before = (app.balance("alice").await, app.held("alice").await);
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    for _ in 0..FORGERIES {
        let forged = forgery(&granted.ticket).new_tree(&mut runner).unwrap().current();
        // Without any ticket a call is voided: that is another rule.
        if forged == granted.ticket || forged.is_empty() {
            continue;
        }
        let end = End::answered(3_000).with_ticket(&forged);
        assert!(!app.end(&granted, &end).await, "{forged:?} was acknowledged");
    }
    assert_eq!((app.balance("alice").await, app.held("alice").await), before);
    assert_eq!(app.calls.open_calls(), 1);
    assert!(app.end(&granted, &End::answered(3_000)).await);
    assert_eq!(app.cdr(&granted.dial).await.charged_ms, 3_000);
    app.assert_right().await;
    app.stop().await;
}

#[tokio::test]
async fn a_ticket_replayed_after_restarts_charges_nobody_again() {
    let mut app = TestApp::start().await;
    app.furnish().await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    app.talk(&granted, 3_000).await;
    app.flush().await;
    let paid = app.balance("alice").await;
    for ms in [3_000, 60_000, u64::from(u32::MAX)] {
        app = TestApp::on(app.stop().await, |_| {}).await;
        // It is durable, so that the dialplan forgets its record.
        assert!(app.end(&granted, &End::answered(ms)).await, "{ms}");
        assert_eq!(app.cdr_count(&granted.dial).await, 1, "{ms}");
        assert_eq!((app.balance("alice").await, app.held("alice").await), (paid.clone(), "0".into()), "{ms}");
    }
    app.assert_right().await;
    app.stop().await;
}
