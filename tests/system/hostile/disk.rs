//! Disks that are full for a moment, under live calls.
//!
//! The small disk is a tmpfs, which only root may mount: where it cannot be mounted the tests fail and say so.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tollgate::store::Store;

use crate::app::book::number;
use crate::app::database::Database;
use crate::app::decks::BERLIN;
use crate::app::phone::{Dial, End, Granted};
use crate::app::program::{Program, Serving, now};

/// A disk of its own, unmounted when dropped.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    fn mount(path: PathBuf, size: &str) -> Self {
        std::fs::create_dir(&path).unwrap();
        let options = format!("size={size},mode=0700");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&path).output().unwrap();
        assert!(
            mounted.status.success(),
            "a small disk cannot be mounted, which needs root: {}",
            String::from_utf8_lossy(&mounted.stderr)
        );
        Self { path }
    }

    fn filler(&self) -> PathBuf {
        self.path.join("filler")
    }

    /// Takes every free byte.
    fn fill(&self) {
        let mut file = File::options().append(true).create(true).open(self.filler()).unwrap();
        for length in [1 << 20, 4_096, 1] {
            while file.write_all(&vec![0; length]).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}

/// A deployment whose database is on a small disk, and its spool too where `with_spool` says so.
fn deployment(with_spool: bool) -> (SmallDisk, Program) {
    let files = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(files.path().join("disk"), "24m");
    let url = format!("sqlite://{}", disk.path.join("tollgate.db").display());
    let program = Program::on(Database { url, files });
    if with_spool {
        let text = std::fs::read_to_string(&program.config).unwrap();
        let spool = program.database.files.path().join("tollgate.spool");
        let moved = text.replace(spool.to_str().unwrap(), disk.path.join("spool").to_str().unwrap());
        std::fs::write(&program.config, moved).unwrap();
    }
    (disk, program)
}

async fn end(serving: &Serving, granted: &Granted) -> bool {
    End::answered(1_000).tell(serving.fastagi, granted, now().as_microsecond()).await
}

/// Lets calls come and go until new ones are refused; returns those that are open, the number of those whose end was
/// acknowledged, and those whose end was not.
async fn call_until_refused(serving: &Serving) -> (Vec<Granted>, usize, Vec<Granted>) {
    let (mut live, mut acknowledged, mut unacknowledged) = (Vec::new(), 0, Vec::new());
    let began = Instant::now();
    for place in 0.. {
        let answer = Dial::new("alice", BERLIN).ask(serving.fastagi).await;
        if !answer.is_allowed() {
            assert_eq!(answer.reason(), "unavailable");
            break;
        }
        let granted = answer.allowed();
        if place < 4 {
            live.push(granted);
        } else if end(serving, &granted).await {
            acknowledged += 1;
        } else {
            unacknowledged.push(granted);
        }
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "calls are admitted although nothing can be written"
        );
    }
    (live, acknowledged, unacknowledged)
}

/// Waits until calls are admitted again.
async fn until_admitted(serving: &Serving) -> Granted {
    let began = Instant::now();
    loop {
        let answer = Dial::new("alice", BERLIN).ask(serving.fastagi).await;
        if answer.is_allowed() {
            return answer.allowed();
        }
        // A second on an idle machine.
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "calls are refused although there is space: {}",
            serving.log()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the ledger has as many calls, or more where ends were told that were not acknowledged: the ledger may have
/// written them all the same.
async fn until_settled(program: &Program, calls: std::ops::RangeInclusive<usize>) {
    let store = Store::open(&program.database.url).await.unwrap();
    let began = Instant::now();
    let mut settled = 0;
    while began.elapsed() < Duration::from_secs(20) && !calls.contains(&settled) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        settled = usize::try_from(number(&store, "SELECT COUNT(*) FROM call_keys").await).unwrap();
    }
    assert!(calls.contains(&settled), "{settled} calls are in the ledger, not {calls:?}");
    store.close().await;
}

fn assert_right(program: &Program, serving: Serving, spool: &Path) {
    assert!(!spool.join("refused").exists(), "nothing is put aside");
    let in_memory = program.shown("alice", "balance");
    assert!(serving.stop().success());
    assert_eq!(program.shown("alice", "balance"), in_memory);
    program.assert_audit();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_whose_disk_is_full_for_a_moment_stops_no_call_for_longer_and_loses_none() {
    let (disk, program) = deployment(false);
    program.furnish();
    let serving = program.serve();
    disk.fill();
    let (live, mut ended, unacknowledged) = call_until_refused(&serving).await;
    assert!(unacknowledged.is_empty(), "the spool is on another disk");
    for granted in &live[..3] {
        assert!(end(&serving, granted).await, "its end is durable in the spool");
        ended += 1;
    }
    // Longer than a lease: the process neither ends nor admits.
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(Dial::new("alice", BERLIN).ask(serving.fastagi).await.reason(), "unavailable");
    disk.free();
    let next = until_admitted(&serving).await;
    for granted in [&live[3], &next] {
        assert!(end(&serving, granted).await);
        ended += 1;
    }
    until_settled(&program, ended..=ended).await;
    let spool = program.database.files.path().join("tollgate.spool");
    assert_right(&program, serving, &spool);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_a_full_disk_keeps_from_the_spool_too_is_not_acknowledged_and_settles_when_told_again() {
    let (disk, program) = deployment(true);
    program.furnish();
    let serving = program.serve();
    disk.fill();
    let (mut live, mut ended, mut unacknowledged) = call_until_refused(&serving).await;
    let kept = live.split_off(3);
    for granted in live {
        if end(&serving, &granted).await {
            ended += 1;
        } else {
            unacknowledged.push(granted);
        }
    }
    assert!(!unacknowledged.is_empty(), "the spool has no space either");
    disk.free();
    let next = until_admitted(&serving).await;
    until_settled(&program, ended..=ended + unacknowledged.len()).await;
    // Asterisk has kept them and tells them again.
    for granted in unacknowledged.iter().chain(&kept).chain([&next]) {
        assert!(end(&serving, granted).await);
        ended += 1;
    }
    until_settled(&program, ended..=ended).await;
    let spool = disk.path.join("spool");
    assert_right(&program, serving, &spool);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_lease_cannot_be_renewed_although_the_database_answers_ends() {
    let program = Program::sqlite();
    program.furnish();
    let mut serving = program.serve();
    let store = Store::open(&program.database.url).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let tollgate::store::Tx::Sqlite(statement, _) = &mut tx else { panic!("it is SQLite") };
    sqlx::query("ALTER TABLE owners RENAME TO misplaced").execute(&mut **statement).await.unwrap();
    tx.commit().await.unwrap();
    let status = serving.wait_for_end(Duration::from_secs(40)).expect("it ends, so that it is started again");
    assert_eq!(status.code(), Some(1));
    assert!(serving.log().contains("although the database answers"), "{}", serving.log());
    store.close().await;
}
