//! A reseller whose portal checks made-up logins as fast as it can.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;

use crate::app::http::Script;
use crate::app::program::{Program, Serving};

/// Checks under way at once.
const FLOOD: usize = 200;
/// Memory of one hash, in KiB.
const HASH_KIB: usize = 19 * 1024;

fn key_of(program: &Program, serving: &Serving, login: &str) -> Script {
    let key = program.ok(&["key", "create", login])["key"].as_str().unwrap().to_owned();
    Script { at: serving.http, key: Some(key) }
}

/// The memory that a process has in use, in KiB.
fn resident_kib(serving: &Serving) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", serving.process())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_wrong_logins_takes_fixed_memory_and_delays_no_other_reseller() {
    let program = Program::sqlite();
    program.furnish();
    program.ok(&["reseller", "create", "other", "--plan", "wholesale"]);
    program.ok(&["client", "create", "bob", "--reseller", "other", "--plan", "retail"]);
    let serving = program.serve();
    let (flooder, other) = (key_of(&program, &serving, "acme"), key_of(&program, &serving, "other"));
    let reset = other.write("reseller-api", "reset-client-password", &json!({ "login": "bob" })).await.ok();
    let right = json!({ "login": "bob", "password": reset["temporary_password"] });
    other.write("reseller-api", "client-auth", &right).await.ok();
    let before = resident_kib(&serving);

    let (checked, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut flood = JoinSet::new();
    for number in 0..FLOOD {
        let (flooder, checked, refused) = (flooder.clone(), Arc::clone(&checked), Arc::clone(&refused));
        flood.spawn(async move {
            let wrong = json!({ "login": format!("nobody{number}"), "password": "wrong password" });
            let answered = flooder.write("reseller-api", "client-auth", &wrong).await;
            match answered.status {
                401 => checked.fetch_add(1, Ordering::SeqCst),
                429 => {
                    assert!(answered.headers.contains_key("retry-after"), "{answered:?}");
                    refused.fetch_add(1, Ordering::SeqCst)
                }
                other => panic!("{other}: {answered:?}"),
            };
        });
    }
    // The first refusal says that the flooder's queue is full.
    while refused.load(Ordering::SeqCst) == 0 {
        assert!(checked.load(Ordering::SeqCst) < FLOOD, "all {FLOOD} were checked: nothing bounds the queue");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let ahead = checked.load(Ordering::SeqCst);
    other.write("reseller-api", "client-auth", &right).await.ok();
    let overtook = checked.load(Ordering::SeqCst) - ahead;
    // In the queue it waits for one at most, which the hasher's own tests count. Here the flooder's queue is worked off
    // while the login is on its way there; behind the whole flood it would wait for nearly all of it.
    assert!(overtook < FLOOD / 2, "the other reseller's login waited for {overtook} of the flood");
    while let Some(ended) = flood.join_next().await {
        ended.unwrap();
    }
    assert!(checked.load(Ordering::SeqCst) < FLOOD);

    // Four at a time again and again: memory stays what the first hash took.
    for _ in 0..10 {
        let mut some = JoinSet::new();
        for number in 0..4 {
            let flooder = flooder.clone();
            some.spawn(async move {
                let wrong = json!({ "login": format!("noone{number}"), "password": "wrong password" });
                flooder.write("reseller-api", "client-auth", &wrong).await.status
            });
        }
        while let Some(ended) = some.join_next().await {
            assert!([401, 429].contains(&ended.unwrap()));
        }
    }
    let grown = resident_kib(&serving).saturating_sub(before);
    // One more hash than the slots that the first login allocated, and room for two hundred connections.
    assert!(grown < HASH_KIB * 2, "the process grew by {grown} KiB");
    assert_eq!(serving.stop().code(), Some(0));
}
