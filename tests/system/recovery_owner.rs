//! One process owns the wallets: who may write, and what the others say.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use crate::app::database::on_both;
use crate::app::decks::BERLIN;
use crate::app::phone::{Dial, End};
use crate::app::program::{Program, now};

on_both!(money_commands_reach_the_running_server_and_the_book_alike, database => {
    let program = Program::on(database);
    program.furnish();
    let serving = program.serve();
    assert_eq!(program.ok(&["credit", "alice", "5.5", "--reference", "cash"])["balance"], "105.5");
    assert_eq!(program.shown("alice", "balance"), "105.5", "in the server's memory");
    // What was credited is spent at once.
    program.ok(&["credit", "alice", "-105.437924", "--reference", "leave a minute"]);
    let granted = Dial::new("alice", BERLIN).ask(serving.fastagi).await.allowed();
    assert_eq!(granted.talk_ms, 59_700);
    assert_eq!(program.refused(&["credit", "alice", "-0.01", "--reference", "held"]), "no_credit");
    assert!(End::answered(2_000).tell(serving.fastagi, &granted, now().as_microsecond()).await);
    let in_memory = program.shown("alice", "balance");
    assert!(serving.stop().success());
    assert_eq!(program.shown("alice", "balance"), in_memory, "in the book");
    program.assert_audit();
});

on_both!(what_commands_make_and_change_is_in_force_in_the_running_server_at_once, database => {
    let program = Program::on(database);
    program.furnish();
    let serving = program.serve();
    program.ok(&["client", "create", "bob", "--reseller", "acme", "--plan", "retail"]);
    assert_eq!(Dial::new("bob", BERLIN).ask(serving.fastagi).await.reason(), "no_credit");
    program.ok(&["credit", "bob", "10", "--reference", "cash"]);
    let granted = Dial::new("bob", BERLIN).ask(serving.fastagi).await.allowed();
    assert!(End::busy().tell(serving.fastagi, &granted, now().as_microsecond()).await);
    program.ok(&["account", "set", "bob", "--active", "no"]);
    assert_eq!(Dial::new("bob", BERLIN).ask(serving.fastagi).await.reason(), "inactive");
    program.ok(&["account", "set", "bob", "--active", "yes", "--block", "49"]);
    assert_eq!(Dial::new("bob", BERLIN).ask(serving.fastagi).await.reason(), "blocked");
    program.ok(&["account", "set", "bob", "--block", "none"]);
    let deck = program.file("new.csv", "prefix,price_per_minute\n33,0.01\n");
    program.ok(&["tariff", "import", "sold", &deck]);
    assert_eq!(Dial::new("bob", BERLIN).ask(serving.fastagi).await.reason(), "no_rate");
    let cheap = program.file("cheap.csv", "prefix,price_per_minute\n33,0.001\n");
    program.ok(&["tariff", "import", "cheap", &cheap]);
    program.ok(&["trunk", "create", "third", "--endpoint", "third-endpoint", "--tariff", "cheap"]);
    let granted = Dial::new("bob", "33142345678").ask(serving.fastagi).await.allowed();
    assert_eq!(granted.routes, ["PJSIP/33142345678@third-endpoint"]);
    assert!(End::busy().tell(serving.fastagi, &granted, now().as_microsecond()).await);
    program.ok(&["plan", "create", "promo", "--base", "wholesale", "--markup", "1"]);
    program.ok(&["client", "create", "carol", "--reseller", "acme", "--plan", "promo"]);
    program.ok(&["credit", "carol", "1", "--reference", "cash"]);
    assert!(Dial::new("carol", "33142345678").ask(serving.fastagi).await.is_allowed());
});

on_both!(commands_take_the_ownership_at_once_where_the_server_was_killed, database => {
    let program = Program::on(database);
    program.furnish();
    let serving = program.serve();
    serving.kill();
    let asked = Instant::now();
    assert_eq!(program.ok(&["credit", "alice", "1", "--reference", "after the kill"])["balance"], "101");
    assert!(asked.elapsed() < Duration::from_secs(5), "it waited {:?} for a dead lease", asked.elapsed());
    // And so does the next server.
    let asked = Instant::now();
    let serving = program.serve();
    assert!(asked.elapsed() < Duration::from_secs(5), "it waited {:?} for a dead lease", asked.elapsed());
    assert_eq!(program.shown("alice", "balance"), "101");
    assert!(serving.stop().success());
    program.assert_audit();
});

on_both!(a_second_server_on_the_same_database_is_refused_while_the_first_lives, database => {
    let program = Program::on(database);
    program.furnish();
    let serving = program.serve();
    let second = program.serve_in_vain();
    assert_eq!(second.status, 1, "{second:?}");
    assert!(second.out.contains("owns"), "it says who owns: {second:?}");
    // The first one does not even notice.
    let granted = Dial::new("alice", BERLIN).ask(serving.fastagi).await.allowed();
    assert!(End::answered(1_000).tell(serving.fastagi, &granted, now().as_microsecond()).await);
    assert!(serving.stop().success());
    assert!(program.serve().stop().success(), "and now there is room for another");
    program.assert_audit();
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_say_that_the_server_hangs_instead_of_writing_behind_its_back() {
    let program = Program::sqlite();
    program.furnish();
    let serving = program.serve();
    let mut said = None;
    for _ in 0..5 {
        serving.suspend();
        let asked = Instant::now();
        let answer = program.run(&["credit", "alice", "1", "--reference", "into the void"]);
        assert!(asked.elapsed() < Duration::from_secs(30), "it took {:?} to say so", asked.elapsed());
        serving.resume();
        // Caught in the middle of a write it keeps SQLite's lock: that is said, too, but is another case.
        if answer.code() != "database" {
            said = Some(answer);
            break;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let said = said.expect("the server was not always in the middle of a write");
    assert_eq!((said.status, said.code().as_str()), (1, "owner"), "{said:?}");
    assert!(said.json()["error"].as_str().unwrap().contains("does not answer"), "{said:?}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_ne!(program.shown("alice", "balance"), "102", "written once at most");
    assert!(serving.stop().success());
    program.assert_audit();
}

on_both!(a_server_that_hung_past_its_lease_admits_nothing_and_ends_where_another_has_written, database => {
    let program = Program::on(database);
    program.furnish();
    let mut serving = program.serve();
    let granted = Dial::new("alice", BERLIN).ask(serving.fastagi).await.allowed();
    serving.suspend();
    tokio::time::sleep(Duration::from_secs(8)).await;
    // The lease is over: nobody but the database says who owns, and it is the command.
    let said = program.run(&["credit", "alice", "1", "--reference", "after the lease"]);
    serving.resume();
    let asked = Dial::new("alice", BERLIN).channel().run(serving.fastagi).await;
    if said.status == 0 {
        if let Ok(asked) = asked {
            assert_ne!(asked.variable("TG_STATUS"), Some("ALLOW"), "its wallets are not the book's any more");
        }
        let status = serving.wait_for_end(Duration::from_secs(20)).expect("it ends by itself");
        assert_eq!(status.code(), Some(1));
        drop(serving);
        serving = program.serve();
        assert_eq!(program.shown("alice", "balance"), "101");
    } else {
        // It may have been caught in the middle of a write, and keep SQLite's lock.
        assert!(["owner", "database"].contains(&said.code().as_str()), "{said:?}");
        assert_eq!(program.shown("alice", "balance"), "100");
    }
    assert!(End::answered(1_000).tell(serving.fastagi, &granted, now().as_microsecond()).await);
    assert!(serving.stop().success());
    program.assert_audit();
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_key_file_is_refused_with_the_reason() {
    let program = Program::sqlite();
    program.furnish();
    let key_file = program.database.files.path().join("tollgate.key");
    std::fs::rename(&key_file, program.database.files.path().join("kept.key")).unwrap();
    let said = program.run(&["account", "show", "alice"]);
    assert_eq!(
        (said.status, said.code().as_str()),
        (1, "key_file"),
        "no new key is made over a used database"
    );
    assert!(!key_file.exists());
    std::fs::rename(program.database.files.path().join("kept.key"), &key_file).unwrap();
    assert_eq!(std::fs::metadata(&key_file).unwrap().permissions().mode() & 0o777, 0o600);
    program.shown("alice", "balance");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_granted_under_the_old_key_settles_after_a_rotation() {
    let program = Program::sqlite();
    program.furnish();
    let serving = program.serve();
    let granted = Dial::new("alice", BERLIN).ask(serving.fastagi).await.allowed();
    program.ok(&["secrets", "rotate"]);
    let next = Dial::new("alice", BERLIN).ask(serving.fastagi).await.allowed();
    for granted in [&granted, &next] {
        assert!(End::answered(1_000).tell(serving.fastagi, granted, now().as_microsecond()).await);
    }
    // The command line still finds the way to it.
    program.ok(&["credit", "alice", "1", "--reference", "after the rotation"]);
    assert!(serving.stop().success());
    let serving = program.serve();
    assert!(
        End::answered(1_000).tell(serving.fastagi, &granted, now().as_microsecond()).await,
        "known as settled"
    );
    assert!(serving.stop().success());
    program.assert_audit();
}
