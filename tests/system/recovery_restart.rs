//! A server that is killed, and what the next one knows.

use std::time::Duration;

use crate::app::book::{cdrs, number};
use crate::app::database::on_both;
use crate::app::decks::BERLIN;
use crate::app::phone::{Answer, Dial, End, Granted};
use crate::app::program::{Program, Serving, now};
use tollgate::store::Store;

async fn settle(serving: &Serving, granted: &Granted, end: &End) -> bool {
    end.tell(serving.fastagi, granted, now().as_microsecond()).await
}

/// The journal is written without waiting: waits until so many calls are in it.
async fn journalled(store: &Store, calls: i64) {
    for _ in 0..100 {
        if number(store, "SELECT COUNT(*) FROM open_calls").await == calls {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{calls} calls were not journalled within 5 s");
}

on_both!(a_server_killed_with_live_calls_holds_for_them_again_and_settles_each_once, database => {
    let program = Program::on(database);
    program.furnish();
    let store = Store::open(&program.database.url).await.unwrap();
    let serving = program.serve();
    let mut live = Vec::new();
    for _ in 0..3 {
        live.push(Dial::new("alice", BERLIN).ask(serving.fastagi).await.allowed());
    }
    journalled(&store, 3).await;
    assert_eq!(program.shown("alice", "held"), "44.69472");
    serving.kill();

    // Without a server the journal says what is held.
    assert_eq!(program.shown("alice", "held"), "44.69472");
    let serving = program.serve();
    assert_eq!(program.shown("alice", "held"), "44.69472");
    assert_eq!(program.shown("alice", "calls"), 3);
    assert_eq!(program.shown("acme", "held"), "37.2456");
    program.ok(&["account", "set", "alice", "--max-calls", "3"]);
    assert_eq!(Dial::new("alice", BERLIN).ask(serving.fastagi).await.reason(), "call_limit");

    assert!(settle(&serving, &live[0], &End::answered(3_000)).await);
    assert!(settle(&serving, &live[0], &End::answered(3_000)).await, "told again, acknowledged again");
    assert!(settle(&serving, &live[1], &End::busy()).await);
    assert_eq!(program.shown("alice", "balance"), "99.996896");
    assert_eq!(program.shown("alice", "held"), "14.89824");
    serving.kill();

    // Settled after yet another one, and the settled call stays settled.
    let serving = program.serve();
    assert!(settle(&serving, &live[2], &End::answered(3_000)).await);
    assert!(settle(&serving, &live[0], &End::answered(9_000)).await);
    assert_eq!(program.shown("alice", "balance"), "99.993792");
    assert_eq!((program.shown("alice", "held"), program.shown("acme", "held")), ("0".into(), "0".into()));
    for granted in &live {
        assert_eq!(cdrs(&store, &granted.dial).await.len(), 1);
    }
    assert_eq!(number(&store, "SELECT COUNT(*) FROM open_calls").await, 0);
    assert!(serving.stop().success());
    program.assert_audit();
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credit_held_before_a_kill_cannot_be_spent_after_it() {
    let program = Program::sqlite();
    program.furnish();
    program.ok(&["credit", "alice", "-99.937924", "--reference", "leave a minute"]);
    let store = Store::open(&program.database.url).await.unwrap();
    let serving = program.serve();
    let granted = Dial::new("alice", BERLIN).ask(serving.fastagi).await.allowed();
    assert_eq!(granted.talk_ms, 59_700);
    journalled(&store, 1).await;
    serving.kill();
    let serving = program.serve();
    assert_eq!(Dial::new("alice", BERLIN).ask(serving.fastagi).await.reason(), "no_credit");
    assert!(settle(&serving, &granted, &End::answered(2_000)).await);
    assert!(Dial::new("alice", BERLIN).ask(serving.fastagi).await.is_allowed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_was_not_journalled_in_time_is_settled_from_its_ticket() {
    let program = Program::sqlite();
    program.furnish();
    let store = Store::open(&program.database.url).await.unwrap();
    let serving = program.serve();
    let granted = Dial::new("alice", BERLIN).ask(serving.fastagi).await.allowed();
    journalled(&store, 1).await;
    serving.kill();
    // As if the process had died before the journal was written.
    let mut tx = store.begin().await.unwrap();
    if let tollgate::store::Side::Sqlite(c) = tollgate::store::Session::side(&mut tx) {
        sqlx::query("DELETE FROM open_calls").execute(c).await.unwrap();
    }
    tx.commit().await.unwrap();
    let serving = program.serve();
    assert_eq!(program.shown("alice", "held"), "0");
    assert!(settle(&serving, &granted, &End::answered(3_000)).await);
    assert_eq!(program.shown("alice", "balance"), "99.996896");
    assert!(serving.stop().success());
    assert_eq!(program.shown("alice", "balance"), "99.996896");
    program.assert_audit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_told_to_stop_ends_with_status_0_and_every_acknowledged_settlement_in_the_book() {
    let program = Program::sqlite();
    program.furnish();
    program.ok(&["credit", "alice", "100000", "--reference", "many calls"]);
    program.ok(&["credit", "acme", "100000", "--reference", "many calls"]);
    let serving = program.serve();
    let fastagi = serving.fastagi;
    let callers: Vec<_> = (0..8)
        .map(|_| {
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for _ in 0..50 {
                    let dial = Dial::new("alice", BERLIN);
                    // Once it has stopped nobody answers any more: that is no call.
                    let Ok(asked) = dial.channel().run(fastagi).await else { break };
                    // Cut off before the token came, or refused: the dialplan would not dial.
                    if asked.variable("TG_TOKEN").is_none() {
                        break;
                    }
                    let granted = Answer::of(&dial, &asked).allowed();
                    let end = End::answered(1_000).channel(&dial, &granted.ticket, now().as_microsecond());
                    match end.run(fastagi).await {
                        Ok(told) if told.variable("TG_SETTLED") == Some("1") => acknowledged.push(granted),
                        _ => break,
                    }
                }
                acknowledged
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let status = tokio::task::spawn_blocking(move || serving.stop()).await.unwrap();
    assert_eq!(status.code(), Some(0));
    let mut acknowledged = Vec::new();
    for caller in callers {
        acknowledged.extend(caller.await.unwrap());
    }
    assert!(!acknowledged.is_empty(), "nothing was settled before the end");
    let store = Store::open(&program.database.url).await.unwrap();
    for granted in &acknowledged {
        assert_eq!(cdrs(&store, &granted.dial).await.len(), 1, "acknowledged and not in the book");
    }
    program.assert_audit();
}

on_both!(calls_settled_when_the_server_was_killed_are_in_the_book_once, database => {
    let program = Program::on(database);
    program.furnish();
    program.ok(&["credit", "alice", "100000", "--reference", "many calls"]);
    program.ok(&["credit", "acme", "100000", "--reference", "many calls"]);
    let serving = program.serve();
    let fastagi = serving.fastagi;
    let callers: Vec<_> = (0..8)
        .map(|_| {
            tokio::spawn(async move {
                let (mut acknowledged, mut unknown) = (Vec::new(), Vec::new());
                loop {
                    let dial = Dial::new("alice", BERLIN);
                    let Ok(asked) = dial.channel().run(fastagi).await else { break };
                    // Cut off before the token came: the dialplan would not dial.
                    if asked.variable("TG_TOKEN").is_none() {
                        break;
                    }
                    let granted = Answer::of(&dial, &asked).allowed();
                    let end = End::answered(1_000).channel(&dial, &granted.ticket, now().as_microsecond());
                    match end.run(fastagi).await {
                        Ok(told) if told.variable("TG_SETTLED") == Some("1") => acknowledged.push(granted),
                        _ => {
                            unknown.push(granted);
                            break;
                        }
                    }
                }
                (acknowledged, unknown)
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(700)).await;
    serving.kill();
    let (mut acknowledged, mut unknown) = (Vec::new(), Vec::new());
    for caller in callers {
        let (mine, mine_unknown) = caller.await.unwrap();
        acknowledged.extend(mine);
        unknown.extend(mine_unknown);
    }
    assert!(!acknowledged.is_empty(), "nothing was settled before the kill");
    // The dialplan's record of what was not acknowledged is told again.
    let serving = program.serve();
    for granted in &unknown {
        assert!(settle(&serving, granted, &End::answered(1_000)).await);
    }
    let store = Store::open(&program.database.url).await.unwrap();
    for granted in acknowledged.iter().chain(&unknown) {
        assert_eq!(cdrs(&store, &granted.dial).await.len(), 1);
    }
    let held_by_lost_answers = program.shown("alice", "calls");
    let book = program.shown("alice", "balance");
    assert!(serving.stop().success());
    assert_eq!(
        program.shown("alice", "balance"),
        book,
        "wallet and book agree; {held_by_lost_answers} calls open"
    );
    program.assert_audit();
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_stopping_refuses_new_calls_and_settles_live_ones() {
    let program = Program::sqlite();
    program.furnish();
    let mut serving = program.serve();
    let granted = Dial::new("alice", BERLIN).ask(serving.fastagi).await.allowed();
    // Half a request keeps it from ending at once.
    let half = tokio::net::TcpStream::connect(serving.fastagi).await.unwrap();
    serving.tell_to_stop();
    tokio::time::sleep(Duration::from_millis(100)).await;
    if let Ok(asked) = Dial::new("alice", BERLIN).channel().run(serving.fastagi).await {
        assert_ne!(asked.variable("TG_STATUS"), Some("ALLOW"), "a stopping server admitted a call");
    }
    drop(half);
    let status = serving.wait_for_end(Duration::from_secs(20)).expect("it ends by itself");
    assert_eq!(status.code(), Some(0));
    // The live call is settled by the next one.
    let next = program.serve();
    assert!(settle(&next, &granted, &End::answered(2_000)).await);
    assert!(next.stop().success());
    program.assert_audit();
}
