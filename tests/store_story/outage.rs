//! The database goes away and comes back; the process is killed.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    sync::atomic::Ordering,
    time::Duration,
};

use tollgate::{
    ledger::{Fence, LedgerError, LedgerLimits, Posting, audit::audit},
    store::Store,
};
use tollgate_rating::Money;

use crate::{
    calls::{CLIENT, answered, balance, number, opened, refused, start},
    database::{Database, story},
    wire::wire_to,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_written_once_and_known_as_its_own() {
    let database = Database::postgres().await;
    let wire = wire_to(&database.url).await;
    let running = start(&Store::open(&wire.url).await.unwrap(), LedgerLimits::default()).await;
    running.ledger.settle(answered("1.0", 60_000)).await.unwrap();
    wire.lose_answers.store(1, Ordering::SeqCst);
    let settled = running.ledger.settle(answered("1.1", 60_000)).await.unwrap();
    assert!(!settled.duplicate, "it was this ledger that wrote it");
    wire.lose_answers.store(1, Ordering::SeqCst);
    let credit = Posting::credit(CLIENT, Money::from_nanos(5), "EUR", None, Fence::Fact).unwrap();
    assert!(!running.ledger.post(credit).await.unwrap().duplicate);
    assert_eq!(wire.lose_answers.load(Ordering::SeqCst), 0, "no answer was lost");
    assert_eq!(balance(&database.store, CLIENT).await, 5 - 240_000_000);
    let again = running.ledger.settle(answered("1.1", 60_000)).await.unwrap();
    assert_eq!((again.cdr_id, again.duplicate), (settled.cdr_id, true));
    assert!(audit(&database.store).await.unwrap().ok);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_learn_of_an_outage_and_the_ledger_goes_on_when_it_is_over() {
    let database = Database::postgres().await;
    let wire = wire_to(&database.url).await;
    let limits = LedgerLimits { patience: Duration::from_millis(200), ..LedgerLimits::default() };
    let running = start(&Store::open(&wire.url).await.unwrap(), limits).await;
    running.ledger.settle(answered("1.0", 60_000)).await.unwrap();
    wire.cut.store(true, Ordering::SeqCst);
    running.ledger.open_call(opened("2.1"));
    running.ledger.attempt(refused("3.1", "192.0.2.1", "no_rate"));
    let error = running.ledger.settle(answered("1.1", 60_000)).await.unwrap_err();
    assert!(matches!(error, LedgerError::Unavailable(_)), "{error}");
    wire.cut.store(false, Ordering::SeqCst);
    assert!(!running.ledger.settle(answered("1.1", 60_000)).await.unwrap().duplicate);
    running.ledger.flush().await.unwrap();
    // What nobody waited for was kept: the opening as it is, the refusal as a count.
    assert_eq!(database.store.open_calls().await.unwrap().len(), 1);
    assert_eq!(database.store.refusal_counts_since(0, 10).await.unwrap()[0].count, 1);
    assert!(audit(&database.store).await.unwrap().ok);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_outage_is_not_noticed() {
    let database = Database::postgres().await;
    let wire = wire_to(&database.url).await;
    let running = start(&Store::open(&wire.url).await.unwrap(), LedgerLimits::default()).await;
    wire.cut.store(true, Ordering::SeqCst);
    let ledger = running.ledger.clone();
    let settling = tokio::spawn(async move { ledger.settle(answered("1.1", 60_000)).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!settling.is_finished());
    wire.cut.store(false, Ordering::SeqCst);
    settling.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_another_process_keeps_locked_is_unavailable_until_it_is_not() {
    let database = Database::sqlite().await;
    let limits = LedgerLimits { patience: Duration::ZERO, ..LedgerLimits::default() };
    let running = start(&database.store, limits).await;
    let other = Store::open(&database.url).await.unwrap();
    let locked = other.begin().await.unwrap();
    let error = running.ledger.settle(answered("1.1", 60_000)).await.unwrap_err();
    assert!(matches!(error, LedgerError::Unavailable(_)), "{error}");
    locked.rollback().await.unwrap();
    assert!(!running.ledger.settle(answered("1.1", 60_000)).await.unwrap().duplicate);
}

/// Set for a copy of this test's process that settles calls until it is killed.
const CHILD: &str = "TOLLGATE_TEST_KILLED_CHILD";

story!(a_killed_process_has_lost_nothing_that_it_acknowledged, database => {
    let name = if database.store.is_postgres() { "postgres" } else { "sqlite" };
    let test = format!("outage::a_killed_process_has_lost_nothing_that_it_acknowledged::{name}");
    if let Ok(url) = std::env::var(CHILD) {
        return settle_until_killed(&url).await;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([&test, "--exact", "--nocapture"])
        .env(CHILD, &database.url)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged: Vec<String> = Vec::new();
    while acknowledged.len() < 300 {
        let line = lines.next().expect("the child ended by itself").unwrap();
        acknowledged.extend(line.strip_prefix("settled ").map(str::to_owned));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it had written to the pipe before it died was acknowledged too; a torn last line was not.
    let rest = lines.map_while(Result::ok);
    acknowledged.extend(rest.filter_map(|line| Some(line.strip_prefix("settled ")?.strip_suffix('.')?.to_owned() + ".")));
    let store = Store::open(&database.url).await.unwrap();
    let running = start(&store, LedgerLimits::default()).await;
    for unique_id in &acknowledged {
        let again = running.ledger.settle(answered(unique_id.trim_end_matches('.'), 1_000)).await.unwrap();
        assert!(again.duplicate, "{unique_id} was acknowledged and is not in the book");
    }
    let report = audit(&store).await.unwrap();
    assert!(report.ok, "{:?}", report.differences);
    let calls = number(&store, "SELECT COUNT(*) FROM cdrs").await;
    assert!(calls >= i64::try_from(acknowledged.len()).unwrap());
    assert_eq!(balance(&store, CLIENT).await, i128::from(calls) * -2_000_000);
});

async fn settle_until_killed(url: &str) {
    let store = Store::open(url).await.unwrap();
    let running = start(&store, LedgerLimits::default()).await;
    let callers: Vec<_> = (0..16)
        .map(|caller| {
            let ledger = running.ledger.clone();
            tokio::spawn(async move {
                for call in 0..100_000 {
                    let unique_id = format!("{caller}-{call}");
                    ledger.open_call(opened(&unique_id));
                    ledger.settle(answered(&unique_id, 1_000)).await.unwrap();
                    let _ = writeln!(std::io::stdout().lock(), "settled {unique_id}.");
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
}
