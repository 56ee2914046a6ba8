//! Ends that somebody makes up: settles without a ticket for live calls, conclusions that were wrong. None of them makes
//! a call free: the settlement with its ticket is charged once, in full, to everybody who pays.

use std::sync::atomic::Ordering;

use tollgate::calls::SettleError;
use tollgate::calls::request::{AuthorizeRequest, SettleRequest};
use tollgate::calls::settle::SettleOutcome;
use tollgate::clock::Clock as _;
use tollgate::ledger::{CallKey, DurationSource};

use crate::app::TestApp;
use crate::app::book::number;
use crate::app::database::{Database, on_both};
use crate::app::decks::BERLIN;
use crate::app::house::money;
use crate::app::phone::{Dial, End, Granted};
use crate::app::wire::Outage;

const SERVER: &str = "pbx1";
const CALLED: &str = "PJSIP/first-endpoint-00000007";
/// What a second to Berlin leaves of 100 with the client, and with its reseller.
const AFTER_30_S: (&str, &str) = ("99.968962", "99.974135");

fn key(granted: &Granted) -> CallKey {
    CallKey { server: SERVER.to_owned(), unique_id: granted.dial.unique_id.clone(), leg: 1 }
}

/// The usual accounts on a server with a control link; and the way to take the database away.
async fn house(mut database: Database) -> (TestApp, Outage) {
    let outage = Outage::of(&database.url).await;
    database.url.clone_from(&outage.url);
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    link(&app);
    (app, outage)
}

fn link(app: &TestApp) {
    app.calls.add_server(SERVER);
    app.calls.link_up(SERVER);
}

/// A call of `alice` that is answered at once and has talked for so long.
async fn talking(app: &TestApp, ms: u32) -> Granted {
    app.until_admitting().await;
    let granted = app.dial("alice", BERLIN).await.allowed();
    let now_ms = i64::try_from(app.clock.monotonic_ms()).unwrap();
    app.calls.answered(SERVER, &granted.dial.unique_id, CALLED, now_ms);
    app.clock.advance_ms(ms);
    granted
}

/// Two whole lists have no channel, so the call is settled for the time until it was seen last: never since its answer.
async fn conclude(app: &TestApp, granted: &Granted) {
    for _ in 0..2 {
        app.calls.take_in(SERVER, &[], app.clock.monotonic_ms());
    }
    assert!(app.calls.settle_gone(&key(granted)).await.unwrap().is_some());
}

fn in_memory(app: &TestApp) -> (String, String) {
    let wallet = |login: &str| {
        let account = app.calls.directory.all().into_iter().find(|account| account.login == login).unwrap();
        account.wallet.snapshot().balance.to_string()
    };
    (wallet("alice"), wallet("acme"))
}

/// The call is charged in full, once; wallets, ledger and records agree, here and in the next process.
async fn assert_charged(app: TestApp, granted: &Granted) {
    app.until_admitting().await;
    let cdr = app.cdr(&granted.dial).await;
    assert_eq!((cdr.charged_ms, cdr.disposition.as_str()), (30_000, "answered"));
    assert_eq!(in_memory(&app), (AFTER_30_S.0.to_owned(), AFTER_30_S.1.to_owned()));
    assert_eq!(app.show("alice").await.held, money("0"));
    app.assert_right().await;
    // Told again, with and without the ticket.
    assert!(app.end(granted, &End::answered(90_000)).await);
    assert!(app.end(granted, &End::answered(0).with_ticket("")).await);
    app.assert_right().await;
    let app = TestApp::on(app.stop().await, |_| {}).await;
    assert!(app.end(granted, &End::answered(60_000)).await);
    assert!(app.end(granted, &End::answered(0).with_ticket("")).await);
    assert_eq!(in_memory(&app), (AFTER_30_S.0.to_owned(), AFTER_30_S.1.to_owned()));
    app.assert_right().await;
    app.stop().await;
}

on_both!(a_settle_without_a_ticket_for_a_live_call_ends_nothing, database => {
    let (app, _outage) = house(database).await;
    let granted = talking(&app, 10_000).await;
    let held = app.held("alice").await;
    for end in [End::answered(0), End::answered(10_000), End::busy(), End::cancelled()] {
        assert!(!app.end(&granted, &end.with_ticket("")).await, "it was acknowledged");
    }
    assert_eq!((app.calls.open_calls(), app.held("alice").await), (1, held));
    assert_eq!(app.services.metrics.tickets_refused.load(Ordering::Relaxed), 4);
    // The record of such an end waits in Asterisk until the call has ended otherwise.
    let record = format!("1||0|CANCEL|16|0|{SERVER}|1|||;|");
    let request =
        tollgate::calls::unsettled::read(&format!("{}.1", granted.dial.unique_id), &record).unwrap();
    let told = app.calls.settle_from(&request, DurationSource::Astdb).await;
    assert!(matches!(told, Err(SettleError::NoTicket)), "{told:?}");
    app.clock.advance_ms(20_000);
    assert!(app.end(&granted, &End::answered(30_000)).await);
    assert!(app.calls.settle_from(&request, DurationSource::Astdb).await.is_ok());
    assert_charged(app, &granted).await;
});

on_both!(an_emergency_record_under_a_live_calls_key_leaves_the_call_its_price, database => {
    let (app, _outage) = house(database).await;
    let granted = talking(&app, 30_000).await;
    let mut emergency = End::answered(5_000).with_ticket("");
    "kind=emergency;endpoint=alice;dialled=112".clone_into(&mut emergency.extras);
    assert!(app.end(&granted, &emergency).await, "an emergency call is recorded");
    app.until_admitting().await;
    assert!(app.show("alice").await.held > money("0"), "the live call still holds");
    for _ in 0..3 {
        assert!(app.end(&granted, &End::answered(30_000)).await);
    }
    app.flush().await;
    assert_eq!(in_memory(&app), (AFTER_30_S.0.to_owned(), AFTER_30_S.1.to_owned()));
    assert_eq!(number(&app.services.store, "SELECT COUNT(*) FROM cdrs WHERE kind = 'emergency'").await, 1);
    assert_eq!(number(&app.services.store, "SELECT COUNT(*) FROM cdrs WHERE charged_ms = 30000").await, 1);
    app.assert_right().await;
    app.stop().await;
});

on_both!(a_call_that_ended_before_it_had_its_token_is_voided_and_never_gets_it, database => {
    let (app, _outage) = house(database).await;
    let dial = Dial::new("alice", BERLIN);
    let request = AuthorizeRequest::parse(
        &dial.unique_id, &["alice", BERLIN, "", SERVER, "192.0.2.7", "1", ""]).unwrap();
    let grant = app.calls.authorize(&request).unwrap();
    let settle = |ticket: &str, ms: &str| {
        SettleRequest::parse(&dial.unique_id, &[ticket, ms, "ANSWER", "16", "1", SERVER, "1"]).unwrap()
    };
    assert!(app.calls.settle(&settle("", "0")).await.is_ok());
    assert!(!app.calls.allow_dialling(&request.key), "a call that was voided must not be dialled");
    assert_eq!((app.calls.open_calls(), app.held("alice").await), (0, "0".to_owned()));
    assert_eq!(app.cdr(&dial).await.charged_ms, 0);
    // Should it have been dialled all the same, its ticket is charged late.
    app.clock.advance_ms(30_000);
    assert!(app.calls.settle(&settle(&grant.ticket, "30000")).await.is_ok());
    assert_eq!(app.services.metrics.calls_corrected.load(Ordering::Relaxed), 1);
    let granted = Granted {
        dial, limit_ms: 0, ring_s: 0, talk_ms: 0, routes: Vec::new(), callerid: String::new(), ticket: grant.ticket,
    };
    assert_charged(app, &granted).await;
});

on_both!(what_was_concluded_without_the_ticket_is_charged_in_full_when_it_comes, database => {
    let (app, _outage) = house(database).await;
    let granted = talking(&app, 30_000).await;
    conclude(&app, &granted).await;
    app.until_admitting().await;
    assert_eq!(app.cdr(&granted.dial).await.charged_ms, 0);
    assert!(app.end(&granted, &End::answered(30_000)).await);
    assert_charged(app, &granted).await;
});

on_both!(a_conclusion_of_an_earlier_process_is_replaced_by_the_ticket, database => {
    let (app, _outage) = house(database).await;
    let granted = talking(&app, 30_000).await;
    conclude(&app, &granted).await;
    app.until_admitting().await;
    app.flush().await;
    let app = TestApp::on(app.stop().await, |_| {}).await;
    app.clock.advance_ms(30_000);
    assert!(app.end(&granted, &End::answered(30_000)).await);
    assert_charged(app, &granted).await;
});

on_both!(a_call_concluded_too_early_that_is_found_alive_holds_again_and_is_charged_once, database => {
    let (app, _outage) = house(database).await;
    let granted = talking(&app, 10_000).await;
    conclude(&app, &granted).await;
    app.until_admitting().await;
    assert_eq!(app.held("alice").await, "0");
    let caller = tollgate::calls::Channel {
        name: "PJSIP/alice-00000006".to_owned(),
        unique_id: granted.dial.unique_id.clone(),
        linked_id: granted.dial.unique_id.clone(),
        is_up: true,
        has_ended: false,
        is_caller: true,
    };
    assert!(app.calls.adopt_ticket(SERVER, &granted.ticket, &caller).await.unwrap());
    assert_ne!(app.held("alice").await, "0");
    app.clock.advance_ms(20_000);
    assert!(app.end(&granted, &End::answered(30_000)).await);
    let stranger = app.calls.adopt_ticket(SERVER, &granted.ticket, &caller).await.unwrap();
    assert!(!stranger, "a call that its ticket settled is not taken in again");
    assert_charged(app, &granted).await;
});

on_both!(in_an_outage_the_ticket_wins_wherever_the_conclusion_lies, database => {
    let (app, mut outage) = house(database).await;
    // One conclusion is in the ledger, one goes to the spool before its ticket does, one after.
    let recorded = talking(&app, 0).await;
    let spooled = talking(&app, 0).await;
    let after = talking(&app, 0).await;
    app.clock.advance_ms(30_000);
    conclude(&app, &recorded).await;
    app.flush().await;
    outage.begin().await;
    conclude(&app, &spooled).await;
    let mut kept = 0;
    for (granted, is_known) in [(&after, true), (&spooled, false), (&recorded, false)] {
        // The prices of a call that memory has forgotten are read from the database: where it cannot be read, Asterisk
        // keeps the end.
        let is_durable = app.end(granted, &End::answered(30_000)).await;
        assert!(is_durable || !is_known);
        if is_durable {
            kept += 1;
            // Told again, and as a conclusion: nothing more is kept.
            assert!(app.end(granted, &End::answered(60_000)).await);
        }
    }
    assert!(app.calls.settle_gone(&key(&after)).await.unwrap().is_none());
    let records = app.calls.spool.counters().records.load(Ordering::SeqCst);
    assert_eq!(records, 1 + kept, "a conclusion, and the ends that were told");
    outage.end().await;
    app.until_drained().await;
    app.until_admitting().await;
    for granted in [&after, &spooled, &recorded] {
        assert!(app.end(granted, &End::answered(30_000)).await, "told once more");
    }
    for granted in [&recorded, &spooled, &after] {
        assert_eq!(app.cdr(&granted.dial).await.charged_ms, 30_000);
    }
    assert_eq!(in_memory(&app), ("99.906886".to_owned(), "99.922405".to_owned()));
    app.assert_right().await;
    app.stop().await;
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conclusion_whose_commit_was_not_heard_gives_way_to_the_ticket() {
    let (app, mut outage) = house(Database::sqlite()).await;
    let granted = talking(&app, 30_000).await;
    // As if the disk of the spool were gone: the conclusion waits in memory.
    app.calls.spool.close().await;
    outage.begin().await;
    for _ in 0..2 {
        app.calls.take_in(SERVER, &[], app.clock.monotonic_ms());
    }
    assert!(app.calls.settle_gone(&key(&granted)).await.is_err());
    outage.end().await;
    let arguments = [granted.ticket.as_str(), "30000", "ANSWER", "16", "1", SERVER, "1"];
    let request = SettleRequest::parse(&granted.dial.unique_id, &arguments).unwrap();
    // The sweeper may have it in hand.
    let settled = match app.calls.settle(&request).await {
        Err(SettleError::InProgress) => {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            assert!(app.end(&granted, &End::answered(30_000)).await);
            None
        }
        settled => Some(settled.unwrap()),
    };
    assert!(settled.is_none_or(|taken| matches!(taken, SettleOutcome::Committed(_))));
    assert_charged(app, &granted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_ticket_of_the_same_channel_ends_no_live_call() {
    let (app, _outage) = house(Database::sqlite()).await;
    let old = talking(&app, 1_000).await;
    assert!(app.end(&old, &End::answered(1_000)).await);
    app.until_admitting().await;
    app.flush().await;
    // Asterisk's clock was set back: its next start gives the unique id out again.
    let app = TestApp::on(app.stop().await, |_| {}).await;
    link(&app);
    app.clock.advance_ms(60_000);
    app.until_admitting().await;
    let live = old.dial.ask(app.fastagi).await.allowed();
    assert_ne!(live.ticket, old.ticket);
    assert!(app.end(&old, &End::answered(0)).await, "it was charged long ago");
    assert_eq!(app.calls.open_calls(), 1, "the live call goes on");
    assert_ne!(app.held("alice").await, "0");
    app.clock.advance_ms(29_000);
    assert!(app.end(&live, &End::answered(29_000)).await);
    app.flush().await;
    assert_eq!(number(&app.services.store, "SELECT COUNT(*) FROM cdrs WHERE charged_ms = 29000").await, 1);
    app.until_admitting().await;
    app.assert_right().await;
    app.stop().await;
}
