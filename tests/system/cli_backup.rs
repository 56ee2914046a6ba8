//! `tollgate backup`: a copy of a live database that an audit proves and a server can be restored from.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tollgate::store::Store;
use tollgate::store::cdr::CallKey;

use crate::app::database::Database;
use crate::app::decks::BERLIN;
use crate::app::phone::{Dial, End};
use crate::app::program::{Program, now};

/// Ends one call after another, until `count` are settled or `stop` is set; returns their unique ids.
async fn settle_calls(fastagi: SocketAddr, count: usize, stop: Arc<AtomicBool>) -> Vec<String> {
    let mut settled = Vec::new();
    while settled.len() < count && !stop.load(Ordering::SeqCst) {
        let granted = Dial::new("alice", BERLIN).ask(fastagi).await.allowed();
        assert!(End::answered(1).tell(fastagi, &granted, now().as_microsecond()).await);
        settled.push(granted.dial.unique_id);
    }
    settled
}

/// Settles calls before and while `copy` runs; returns the unique ids of those settled before.
async fn copy_under_load(program: &Program, copy: impl FnOnce(&Program) + Send) -> Vec<String> {
    let serving = program.serve();
    let stop = Arc::new(AtomicBool::new(false));
    let before = settle_calls(serving.fastagi, 30, Arc::clone(&stop)).await;
    let during = tokio::spawn(settle_calls(serving.fastagi, usize::MAX, Arc::clone(&stop)));
    tokio::time::sleep(Duration::from_millis(200)).await;
    tokio::task::block_in_place(|| copy(program));
    stop.store(true, Ordering::SeqCst);
    assert!(!during.await.unwrap().is_empty(), "calls settled while the copy was made");
    assert!(serving.stop().success());
    before
}

/// The restored ledger is right, holds these calls, and a server on it charges a further one.
async fn assert_restored(restored: &Program, settled_before: &[String]) {
    restored.assert_audit();
    let store = Store::open(&restored.database.url).await.unwrap();
    for id in settled_before {
        let key = CallKey { server: "pbx1".to_owned(), unique_id: id.clone(), leg: 1 };
        assert!(store.call_record(&key).await.unwrap().is_some(), "{id} is in the copy");
    }
    store.close().await;
    let serving = restored.serve();
    settle_calls(serving.fastagi, 1, Arc::default()).await;
    assert!(serving.stop().success());
    restored.assert_audit();
}

/// A program whose database is a copy of a backup, with the key file of the original.
fn restore(original: &Program, backup: &str) -> Program {
    let restored = Program::sqlite();
    let folder = restored.database.files.path();
    std::fs::copy(backup, folder.join("tollgate.db")).unwrap();
    std::fs::copy(original.database.files.path().join("tollgate.key"), folder.join("tollgate.key")).unwrap();
    restored
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_holds_every_call_settled_before_it_and_a_server_restored_from_it_charges() {
    let program = Program::sqlite();
    program.furnish();
    let file = program.database.files.path().join("copy.db").to_str().unwrap().to_owned();
    let settled_before = copy_under_load(&program, |program| {
        let said = program.ok(&["backup", &file]);
        assert_eq!(std::fs::metadata(&file).unwrap().len(), said["bytes"].as_u64().unwrap());
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    })
    .await;
    assert_restored(&restore(&program, &file), &settled_before).await;
}

/// PostgreSQL's own tools, as docs/operations.md shows them.
fn postgres_tool(arguments: &[&str]) {
    let output = Command::new(arguments[0]).args(&arguments[1..]).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_of_postgresql_under_load_restores_to_a_ledger_that_charges() {
    let program = Program::on(Database::postgres().await);
    program.furnish();
    let file = program.database.files.path().join("copy.dump").to_str().unwrap().to_owned();
    let url = program.database.url.trim_end_matches('?').to_owned();
    let settled_before = copy_under_load(&program, |_| {
        postgres_tool(&["pg_dump", "--format=custom", "--file", &file, &url]);
    })
    .await;
    let restored = Program::on(Database::postgres().await);
    let url = restored.database.url.trim_end_matches('?').to_owned();
    postgres_tool(&["pg_restore", "--no-owner", "--exit-on-error", "--dbname", &url, &file]);
    let key = |program: &Program| program.database.files.path().join("tollgate.key");
    std::fs::copy(key(&program), key(&restored)).unwrap();
    assert_restored(&restored, &settled_before).await;
}

#[test]
fn a_backup_overwrites_nothing_and_leaves_nothing_when_it_fails() {
    let program = Program::sqlite();
    program.furnish();
    let there = program.file("there.db", "mine");
    assert_eq!(program.refused(&["backup", &there]), "bad_value");
    assert_eq!(std::fs::read_to_string(&there).unwrap(), "mine");
    let nowhere = program.database.files.path().join("missing/copy.db");
    assert_eq!(program.refused(&["backup", nowhere.to_str().unwrap()]), "backup");
    let copy = program.database.files.path().join("copy.db");
    let partial = program.file("copy.db.partial", "another backup");
    assert_eq!(program.refused(&["backup", copy.to_str().unwrap()]), "backup");
    assert_eq!(std::fs::read_to_string(&partial).unwrap(), "another backup");
    assert!(!copy.exists());
    // A database that does not exist is not made by the attempt to copy it.
    let empty = Program::sqlite();
    let target = empty.database.files.path().join("copy.db");
    assert_eq!(empty.refused(&["backup", target.to_str().unwrap()]), "database");
    assert!(!target.exists() && !empty.database.files.path().join("copy.db.partial").exists());
    assert!(!empty.database.files.path().join("tollgate.db").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_postgresql_is_refused_and_names_pg_dump() {
    let program = Program::on(Database::postgres().await);
    let target = program.database.files.path().join("copy.db");
    let said = program.run(&["backup", target.to_str().unwrap()]);
    assert_eq!((said.status, said.code().as_str()), (1, "not_sqlite"));
    assert!(said.json()["error"].as_str().unwrap().contains("pg_dump"), "{said:?}");
}
