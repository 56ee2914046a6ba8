//! Calls go on while the database is away: their ends wait on this machine and reach the book once.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tollgate::clock::Clock as _;
use tollgate::config::WhenDatabaseDown;
use tollgate::ledger::spool::look;
use tollgate::store::Store;

use crate::app::TestApp;
use crate::app::book::number;
use crate::app::database::{Database, on_both};
use crate::app::decks::BERLIN;
use crate::app::phone::{Dial, End};
use crate::app::program::{Program, now};
use crate::app::wire::Outage;

/// A node whose database can be taken away.
async fn house(mut database: Database, when_down: WhenDatabaseDown) -> (TestApp, Outage) {
    let outage = Outage::of(&database.url).await;
    database.url.clone_from(&outage.url);
    let app = TestApp::on(database, |config| config.credit.when_database_down = when_down).await;
    app.furnish().await;
    (app, outage)
}

impl TestApp {
    /// What memory has of an account, without asking the database: balance and held.
    fn wallet(&self, login: &str) -> (String, String) {
        let wallet = self.calls.directory.peer(login).unwrap().account.wallet.snapshot();
        (wallet.balance.to_string(), wallet.held.to_string())
    }

    /// Waits until a renewal of the lease has failed.
    async fn until_the_outage_is_noticed(&self) {
        for _ in 0..200 {
            if self.services.ownership.is_kept_by_outage(&self.clock.moment()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no renewal failed within 10 s");
    }

    fn counted(&self) -> (u64, u64) {
        let counters = self.calls.spool.counters();
        (counters.kept.load(Ordering::SeqCst), counters.drained.load(Ordering::SeqCst))
    }
}

on_both!(live_calls_end_and_are_charged_while_the_database_is_away, database => {
    let (app, mut outage) = house(database, WhenDatabaseDown::Refuse).await;
    let mut live = Vec::new();
    for _ in 0..5 {
        live.push(app.dial("alice", BERLIN).await.allowed());
    }
    app.flush().await;
    outage.begin().await;
    app.clock.advance_ms(3_000);
    for (place, granted) in live[..4].iter().enumerate() {
        let asked = Instant::now();
        assert!(app.end(granted, &End::answered(3_000)).await, "the end is durable");
        let patience = if place == 0 { 2_500 } else { 500 };
        assert!(asked.elapsed() < Duration::from_millis(patience), "{place}: {:?}", asked.elapsed());
    }
    // Charged at once, and once, however often it is told.
    assert!(app.end(&live[1], &End::answered(9_000)).await);
    assert_eq!(app.wallet("alice").0, "99.987584");
    // Time goes on, holds end; nothing of it touches what has ended.
    app.clock.advance_ms(20_000_000);
    assert!(app.end(&live[4], &End::busy()).await);
    assert_eq!(app.wallet("alice"), ("99.987584".to_owned(), "0".to_owned()));
    assert_eq!(app.dial("alice", BERLIN).await.reason(), "unavailable");

    outage.end().await;
    app.until_drained().await;
    app.until_admitting().await;
    for granted in &live[..4] {
        assert_eq!(app.cdr(&granted.dial).await.charged_ms, 3_000);
    }
    assert_eq!(app.balance("alice").await, "99.987584");
    // Told once more, with the book there.
    assert!(app.end(&live[0], &End::answered(3_000)).await);
    app.assert_right().await;
    assert_eq!(app.counted(), (5, 5));
    let app = TestApp::on(app.stop().await, |_| {}).await;
    assert!(app.end(&live[2], &End::answered(3_000)).await, "told again after a restart");
    assert_eq!(app.balance("alice").await, "99.987584");
    app.assert_right().await;
});

on_both!(calls_are_admitted_and_settled_without_the_database_where_the_operator_says_so, database => {
    let (app, mut outage) = house(database, WhenDatabaseDown::Admit).await;
    outage.begin().await;
    app.until_the_outage_is_noticed().await;
    // Longer than a lease, and never a gap in which another process could have taken over unnoticed.
    for _ in 0..3 {
        app.clock.advance_ms(4_000);
        app.until_admitting().await;
        tokio::time::sleep(Duration::from_millis(600)).await;
    }
    let ended = app.dial("alice", BERLIN).await.allowed();
    let live = app.dial("alice", BERLIN).await.allowed();
    let void = app.dial("alice", BERLIN).await.allowed();
    app.calls.void(&tollgate::ledger::CallKey {
        server: void.dial.server.clone(),
        unique_id: void.dial.unique_id.clone(),
        leg: 1,
    }).await;
    app.clock.advance_ms(3_000);
    assert!(app.end(&ended, &End::answered(3_000)).await);
    assert_eq!(app.wallet("alice"), ("99.996896".to_owned(), "14.89824".to_owned()));
    outage.end().await;
    app.until_drained().await;
    app.until_admitting().await;
    // The journal has the live call, and neither the ended nor the void one.
    assert_eq!(app.calls.open_calls(), 1);
    for _ in 0..200 {
        app.flush().await;
        if app.calls.spool.counters().records.load(Ordering::SeqCst) == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    app.assert_right().await;
    app.clock.advance_ms(3_000);
    assert!(app.end(&live, &End::answered(6_000)).await);
    assert_eq!(app.cdr_count(&void.dial).await, 0);
    app.assert_right().await;
});

on_both!(new_calls_are_refused_within_seconds_of_an_outage_and_admitted_after_it, database => {
    let mut database = database;
    let mut outage = Outage::of(&database.url).await;
    database.url.clone_from(&outage.url);
    let program = Program::on(database);
    program.furnish();
    for login in ["alice", "acme"] {
        program.ok(&["credit", login, "100000", "--reference", "many calls"]);
    }
    let serving = program.serve();
    let ask = || async { Dial::new("alice", BERLIN).ask(serving.fastagi).await };
    let live = ask().await.allowed();
    outage.begin().await;
    let began = Instant::now();
    while ask().await.is_allowed() {
        assert!(began.elapsed() < Duration::from_millis(6_500), "calls are admitted without a database");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(ask().await.reason(), "unavailable");
    assert!(End::answered(3_000).tell(serving.fastagi, &live, now().as_microsecond()).await);
    assert_eq!(ask().await.reason(), "unavailable");
    outage.end().await;
    let began = Instant::now();
    while !ask().await.is_allowed() {
        assert!(began.elapsed() < Duration::from_secs(12), "calls are refused although the database is back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_with_a_full_spool_loses_nothing_and_the_next_reads_it_before_it_serves() {
    let program = Program::sqlite();
    program.furnish();
    let mut outage = Outage::of(&program.database.url).await;
    let store = Store::open(&program.database.url).await.unwrap();
    let serving = program.serve();
    let mut live = Vec::new();
    for _ in 0..4 {
        live.push(Dial::new("alice", BERLIN).ask(serving.fastagi).await.allowed());
    }
    for _ in 0..100 {
        if number(&store, "SELECT COUNT(*) FROM open_calls").await == 4 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    outage.begin().await;
    for granted in &live[..3] {
        assert!(End::answered(3_000).tell(serving.fastagi, granted, now().as_microsecond()).await);
    }
    serving.kill();
    outage.end().await;
    let spool = program.database.files.path().join("tollgate.spool");
    assert_eq!(look(&spool).unwrap().waiting.len(), 3);
    let said = program.run(&["audit"]).json();
    assert_eq!((&said["ok"], &said["spooled"], &said["refused"]), (&true.into(), &3.into(), &0.into()));
    let doctor = program.run(&["doctor"]).out;
    assert!(doctor.contains("3 ended calls wait"), "{doctor}");
    // The end of a write that the kill tore.
    let file = spool.join("waiting");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, [&whole[..], &whole[50..800]].concat()).unwrap();

    let serving = program.serve();
    assert_eq!(program.shown("alice", "balance"), "99.990688");
    assert_eq!(
        (program.shown("alice", "calls"), program.shown("alice", "held")),
        (1.into(), "14.89824".into())
    );
    assert!(End::answered(3_000).tell(serving.fastagi, &live[0], now().as_microsecond()).await, "told again");
    assert!(End::answered(3_000).tell(serving.fastagi, &live[3], now().as_microsecond()).await);
    assert_eq!(program.shown("alice", "balance"), "99.987584");
    assert_eq!(number(&store, "SELECT COUNT(*) FROM cdrs").await, 4);
    assert_eq!(program.run(&["audit"]).json()["spooled"], 0);
    assert!(serving.stop().success());
    assert_eq!(program.shown("alice", "balance"), "99.987584");
    program.assert_audit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credit_without_a_server_sees_what_the_spool_keeps() {
    let program = Program::sqlite();
    program.furnish();
    program.ok(&["credit", "alice", "-99.937924", "--reference", "leave a minute"]);
    let mut outage = Outage::of(&program.database.url).await;
    let serving = program.serve();
    let live = Dial::new("alice", BERLIN).ask(serving.fastagi).await.allowed();
    outage.begin().await;
    assert!(End::answered(59_000).tell(serving.fastagi, &live, now().as_microsecond()).await);
    serving.kill();
    outage.end().await;
    assert_eq!(program.refused(&["credit", "alice", "-0.061", "--reference", "spent already"]), "no_credit");
    assert_eq!(program.run(&["audit"]).json()["spooled"], 0, "the command has written it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spool_that_cannot_be_used_is_named_at_the_start() {
    let program = Program::sqlite();
    program.file("tollgate.spool", "a file where the folder should be");
    let said = program.serve_in_vain();
    assert_eq!(said.status, 1);
    assert!(said.json()["error"].as_str().unwrap().contains("tollgate.spool"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_neither_the_book_nor_the_spool_takes_it_the_end_is_not_acknowledged_and_settles_later() {
    let (app, mut outage) = house(Database::sqlite(), WhenDatabaseDown::Refuse).await;
    let live = app.dial("alice", BERLIN).await.allowed();
    app.flush().await;
    // As if its disk were gone.
    app.calls.spool.close().await;
    outage.begin().await;
    app.clock.advance_ms(3_000);
    assert!(!app.end(&live, &End::answered(3_000)).await);
    assert_ne!(app.wallet("alice").1, "0", "what it holds stays held");
    assert_eq!(app.wallet("alice").0, "100");
    outage.end().await;
    let back = Instant::now();
    while app.wallet("alice").1 != "0" {
        assert!(back.elapsed() < Duration::from_secs(30), "the call is not settled");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    app.until_admitting().await;
    assert_eq!(app.balance("alice").await, "99.996896");
    app.assert_right().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_disk_of_the_spool_is_full_what_was_acknowledged_is_kept_and_the_rest_is_told_again() {
    let mut database = Database::postgres().await;
    let mut outage = Outage::of(&database.url).await;
    database.url.clone_from(&outage.url);
    let program = Program::on(database);
    program.furnish();
    // A settlement has some two kilobytes: the third or fourth is torn by the end of the disk.
    let serving = program.serve_with_files_of(7);
    let mut live = Vec::new();
    for _ in 0..6 {
        live.push(Dial::new("alice", BERLIN).ask(serving.fastagi).await.allowed());
    }
    let tell = |place: usize| {
        End::answered(3_000).channel(&live[place].dial, &live[place].ticket, now().as_microsecond())
    };
    let settled = |told: tollgate_agi::client::Outcome| told.variable("TG_SETTLED") == Some("1");
    outage.begin().await;
    let mut acknowledged = Vec::new();
    for place in 0..live.len() {
        acknowledged.push(settled(tell(place).run(serving.fastagi).await.unwrap()));
    }
    let kept = acknowledged.iter().filter(|acknowledged| **acknowledged).count();
    assert!((2..live.len() - 1).contains(&kept), "{acknowledged:?}");
    let spool = program.database.files.path().join("tollgate.spool");
    assert_eq!(look(&spool).unwrap().waiting.len(), kept);
    assert_eq!(serving.log().matches("neither the book nor the spool").count(), 1, "said once");
    // Killed there: what was acknowledged is in the file, and nothing of the torn one.
    serving.kill();
    outage.end().await;
    let serving = program.serve();
    for place in (0..live.len()).filter(|place| !acknowledged[*place]) {
        assert!(settled(tell(place).run(serving.fastagi).await.unwrap()));
    }
    let store = Store::open(&program.database.url).await.unwrap();
    for granted in &live {
        assert_eq!(crate::app::book::cdrs(&store, &granted.dial).await.len(), 1);
    }
    assert_eq!(program.shown("alice", "balance"), "99.981376");
    assert!(serving.stop().success());
    program.assert_audit();
}

on_both!(a_start_with_another_spool_is_refused_while_ended_calls_lie_in_the_one_before, database => {
    let mut database = database;
    let mut outage = Outage::of(&database.url).await;
    database.url.clone_from(&outage.url);
    let program = Program::on(database);
    program.furnish();
    let serving = program.serve();
    let granted = Dial::new("alice", BERLIN).ask(serving.fastagi).await.allowed();
    outage.begin().await;
    assert!(End::answered(3_000).tell(serving.fastagi, &granted, now().as_microsecond()).await);
    serving.kill();
    outage.end().await;

    // As from another working directory: the path is no absolute one.
    let elsewhere = [("TOLLGATE_LEDGER__SPOOL_DIR", "elsewhere")];
    let files = program.database.files.path();
    let (before, now_configured) = (files.join("tollgate.spool"), files.join("elsewhere"));
    for command in [&["serve"][..], &["credit", "alice", "1", "--reference", "cash"]] {
        let said = program.run_with(&elsewhere, command);
        let error = said.json()["error"].as_str().unwrap().to_owned();
        // A server ends with the status of an unusable configuration; a command with that of a refusal.
        let expected = if command == ["serve"] { 78 } else { 1 };
        assert_eq!(said.status, expected, "{command:?}: {error}");
        for folder in [&before, &now_configured] {
            assert!(error.contains(folder.to_str().unwrap()), "{command:?}: {error}");
        }
    }
    assert!(!now_configured.exists());
    let doctor = program.run_with(&elsewhere, &["doctor"]).out;
    assert!(doctor.contains("1 ended calls that are not charged yet"), "{doctor}");

    // The folder before, by another way to it.
    std::os::unix::fs::symlink(&before, files.join("way")).unwrap();
    assert!(program.serve_with(&[("TOLLGATE_LEDGER__SPOOL_DIR", "way")]).stop().success());
    assert_eq!(program.shown("alice", "balance"), "99.996896");
    // It is empty by now: another one may be taken, and is the one to look for from here on.
    assert!(program.serve_with(&elsewhere).stop().success());
    let store = Store::open(&program.database.url).await.unwrap();
    let recorded = store.meta("spool_dir").await.unwrap().unwrap();
    assert_eq!(recorded, now_configured.to_str().unwrap());
    program.assert_audit();
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spool_that_cannot_be_read_from_here_is_named_and_the_start_goes_on() {
    let program = Program::sqlite();
    program.furnish();
    assert!(program.serve().stop().success());
    let files = program.database.files.path();
    // As on another machine.
    std::fs::remove_dir_all(files.join("tollgate.spool")).unwrap();
    let elsewhere = [("TOLLGATE_LEDGER__SPOOL_DIR", "elsewhere")];
    let serving = program.serve_with(&elsewhere);
    let warned = |log: &str| {
        log.lines().any(|line| line.contains("cannot be read from here") && line.contains("tollgate.spool"))
    };
    assert!(warned(&serving.log()), "{}", serving.log());
    assert!(serving.stop().success());
    let serving = program.serve_with(&elsewhere);
    assert!(!warned(&serving.log()), "the new one is known: {}", serving.log());
    assert!(serving.stop().success());
}
