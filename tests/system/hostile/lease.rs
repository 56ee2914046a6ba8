//! Attacks on the ownership of the wallets: pauses, clocks, names, and commands beside a starting server. Whatever
//! happens, no credit is granted by two processes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tollgate::clock::{Clock as _, ManualClock, SystemClock};
use tollgate::config::{Config, WhenDatabaseDown};
use tollgate::services::{ServiceError, Services};
use tollgate::store::Store;

use crate::app::TestApp;
use crate::app::book::{execute, take_the_ownership_away};
use crate::app::database::{Database, on_both};
use crate::app::decks::BERLIN;
use crate::app::phone::{Dial, End};
use crate::app::program::{Program, now};

/// Whether a server grants a call; one that has ended does not.
async fn grants(fastagi: std::net::SocketAddr) -> bool {
    let asked = Dial::new("alice", BERLIN).channel().run(fastagi).await;
    asked.is_ok_and(|asked| asked.variable("TG_STATUS") == Some("ALLOW"))
}

/// Another machine with the same database and key file, and an installation of its own.
fn another_machine(program: &Program) -> Program {
    let files = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(&program.config).unwrap();
    let spool = program.database.files.path().join("tollgate.spool");
    let elsewhere = files.path().join("tollgate.spool");
    let text = text.replace(spool.to_str().unwrap(), elsewhere.to_str().unwrap());
    let config = files.path().join("tollgate.toml");
    std::fs::write(&config, text).unwrap();
    Program { database: Database { url: program.database.url.clone(), files }, config }
}

/// Makes the recorded owner unreachable, as from another machine.
async fn make_unreachable(store: &Store) {
    execute(store, "UPDATE owners SET address = '127.0.0.1:1'").await;
}

async fn suspended_app(mode: WhenDatabaseDown) {
    let app = TestApp::on(Database::postgres().await, |config| config.credit.when_database_down = mode).await;
    app.furnish().await;
    // The monotonic clock stands still meanwhile.
    app.clock.suspend_ms(18_000);
    assert!(!app.calls.admits(), "{mode:?}: the database has not been asked since");
    // It is asked at once, and nobody has taken the ownership.
    app.until_admitting().await;
    assert!(app.dial("alice", BERLIN).await.is_allowed());
    take_the_ownership_away(&app.services.store).await;
    app.clock.suspend_ms(18_000);
    assert!(!grants(app.fastagi).await, "{mode:?}: another process owns");
    assert!(app.wait_for_end().await.is_err(), "{mode:?}: it ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_was_suspended_grants_nothing_before_the_database_has_confirmed_its_ownership() {
    suspended_app(WhenDatabaseDown::Refuse).await;
    suspended_app(WhenDatabaseDown::Admit).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wall_clock_that_steps_either_way_has_the_ownership_confirmed_before_the_next_grant() {
    let app = TestApp::start_with(|config| config.credit.when_database_down = WhenDatabaseDown::Admit).await;
    app.furnish().await;
    for step_ms in [10_000, -10_000, 86_400_000] {
        app.clock.step_wall_ms(step_ms);
        assert!(!app.calls.admits(), "{step_ms}");
        app.until_admitting().await;
    }
    app.stop().await;
}

on_both!(a_server_whose_opening_of_a_call_is_refused_for_its_epoch_grants_no_more_and_ends, database => {
    let app = TestApp::on(database, |_| {}).await;
    app.furnish().await;
    take_the_ownership_away(&app.services.store).await;
    // It cannot know yet; the journal tells it, long before the next renewal.
    grants(app.fastagi).await;
    let ended = app.wait_for_end().await;
    assert!(ended.is_err_and(|error| error.to_string().contains("took the ownership")));
});

async fn stopped_server(mode: &str) {
    let first_machine = Program::on(Database::postgres().await);
    first_machine.furnish();
    let second_machine = another_machine(&first_machine);
    let environment = [("TOLLGATE_CREDIT__WHEN_DATABASE_DOWN", mode)];
    let mut first = first_machine.serve_with(&environment);
    let live = Dial::new("alice", BERLIN).ask(first.fastagi).await.allowed();
    let stopped = Instant::now();
    first.suspend();
    // It waits for the lease, however equal the host names are.
    let second = second_machine.serve_with(&environment);
    assert!(stopped.elapsed() > Duration::from_secs(4), "{mode}: the lease was not waited for");
    let granted = Dial::new("alice", BERLIN).ask(second.fastagi).await.allowed();
    first.resume();
    for _ in 0..20 {
        assert!(!grants(first.fastagi).await, "{mode}: the same credit is granted by two servers");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let status = first.wait_for_end(Duration::from_secs(40)).expect("it ends by itself");
    assert_eq!(status.code(), Some(1), "{mode}: {}", first.log());
    for granted in [&live, &granted] {
        assert!(End::answered(1_000).tell(second.fastagi, granted, now().as_microsecond()).await);
    }
    assert!(second.stop().success());
    first_machine.assert_audit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_server_that_goes_on_after_another_has_taken_over_grants_nothing() {
    stopped_server("refuse").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_does_one_that_admits_calls_without_the_database() {
    stopped_server("admit").await;
}

on_both!(two_machines_of_one_host_name_do_not_take_over_from_each_other, database => {
    let program = Program::on(database);
    program.furnish();
    let mut serving = program.serve();
    let store = Store::open(&program.database.url).await.unwrap();
    make_unreachable(&store).await;
    let refused = another_machine(&program).serve_in_vain();
    assert_eq!(refused.status, 1, "{refused:?}");
    assert!(refused.out.contains("owns"), "it says who owns: {refused:?}");
    assert!(grants(serving.fastagi).await, "the first has not even noticed");
    assert!(serving.wait_for_end(Duration::from_millis(1_500)).is_none());
    store.close().await;
});

on_both!(a_command_whose_clock_is_ahead_does_not_take_over_from_a_healthy_server, database => {
    let program = Program::on(database);
    program.furnish();
    let mut serving = program.serve();
    let store = Store::open(&program.database.url).await.unwrap();
    make_unreachable(&store).await;
    let ahead = another_machine(&program);
    let config = Config::load(Some(&ahead.config)).unwrap();
    let clock = ManualClock::at(SystemClock::new().now() + jiff::SignedDuration::from_secs(10));
    let services = Services::open_with(Arc::new(config), Arc::new(clock)).await.unwrap();
    let refused = services.ledger().await.map(drop).unwrap_err();
    assert!(matches!(refused, ServiceError::Owned { .. }), "{refused}");
    services.close().await;
    assert!(grants(serving.fastagi).await);
    assert!(serving.wait_for_end(Duration::from_millis(1_500)).is_none(), "the server goes on");
    store.close().await;
});

on_both!(commands_in_a_loop_keep_no_server_from_starting_and_take_neither_ownership_nor_spool_from_it, database => {
    let program = Program::on(database);
    program.furnish();
    let stop = AtomicBool::new(false);
    let credited = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    let said = program.run(&["credit", "alice", "0.01", "--reference", "in a loop"]);
                    if said.status == 0 {
                        credited.fetch_add(1, Ordering::SeqCst);
                    } else {
                        // A server was killed in the middle of its answer, or SQLite is busy: said, and not done behind
                        // anybody's back.
                        assert!(["owner", "database", "starting"].contains(&said.code().as_str()), "{said:?}");
                    }
                }
            });
        }
        for round in 0..3 {
            let mut serving = program.serve();
            let ended = serving.wait_for_end(Duration::from_millis(700));
            assert!(ended.is_none(), "round {round}: it serves on: {}", serving.log());
            if round == 1 {
                serving.kill();
            } else {
                assert!(serving.stop().success());
            }
        }
        stop.store(true, Ordering::SeqCst);
    });
    let credited = credited.into_inner();
    assert!(credited > 0, "no command succeeded");
    program.assert_audit();
});
