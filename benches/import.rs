//! Importing a deck of a million rows, alone and with settlements going on beside it.
//!
//! `cargo bench --bench import` prints rows a second: read, checked and compiled in memory (the engine's part), and to a
//! published version in `SQLite`; and how long settlements took meanwhile. `-- --rows N` takes another number of rows.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on stops, and says what it measured"
)]

#[expect(dead_code, reason = "the storage story's calls, of which this needs few")]
#[path = "../tests/store_story/calls.rs"]
mod calls;
mod database {
    pub(crate) fn noon() -> jiff::Timestamp {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }
}

use std::fmt::Write as _;
use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tollgate::catalog::TariffKind;
use tollgate::catalog::admin::tariffs::{self, Import};
use tollgate::catalog::deck::{ColumnMap, Deck};
use tollgate::clock::SystemClock;
use tollgate::ledger::{Ledger, LedgerLimits};
use tollgate::store::Store;
use tollgate_rating::Tariff;

/// Rows of the deck when nothing is said.
const ROWS: u64 = 1_000_000;
/// Callers that settle one call after the other.
const SETTLERS: u64 = 4;
/// Their rest between two calls: together they settle at most 400 calls a second, eight times the rig's load.
const REST: Duration = Duration::from_millis(10);
/// Runs of which the middle one is reported.
const RUNS: usize = 5;

/// A deck as a carrier sends it: distinct prefixes in no order, names that repeat, a handful of terms.
fn deck(rows: u64) -> String {
    let mut text = String::from("prefix,price_per_minute,destination,connect_fee,initial_block,increment\n");
    for row in 0..rows {
        // An odd multiplier visits every remainder of 2^24 once: distinct prefixes without a table of those seen.
        let scattered = (row.wrapping_mul(0x9e_3779) + 12_345) % (1 << 24);
        let (blocks, fee) = if row % 5 == 0 { ("60,60", "0.01") } else { ("1,1", "0") };
        let _ = writeln!(
            text,
            "{},0.{:05},Destination {},{fee},{blocks}",
            100_000_000 + scattered,
            row % 99_999,
            row % 4_000
        );
    }
    text
}

/// Seconds that reading, checking and compiling take, in the middle of [`RUNS`].
fn compile_seconds(text: &str) -> f64 {
    let mut seconds: Vec<f64> = (0..RUNS)
        .map(|_| {
            let started = Instant::now();
            let deck = Deck::read(text.as_bytes(), &ColumnMap::default()).unwrap();
            let tariff = deck.compile().unwrap();
            std::hint::black_box::<&Tariff>(&tariff);
            started.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[RUNS / 2]
}

/// Settlements that go on until told to stop.
struct Settlements {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    slowest_us: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Settlements {
    fn start(ledger: &Ledger, round: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (done, slowest_us) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let task = |settler: u64| {
            let ledger = ledger.clone();
            let (stop, done, slowest) = (Arc::clone(&stop), Arc::clone(&done), Arc::clone(&slowest_us));
            tokio::spawn(async move {
                for call in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let settlement = calls::answered(&format!("{round}.{settler}.{call}"), 61_000);
                    let started = Instant::now();
                    ledger.settle(settlement).await.unwrap();
                    let took = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
                    slowest.fetch_max(took, Ordering::Relaxed);
                    done.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(REST).await;
                }
            })
        };
        let tasks = (0..SETTLERS).map(task).collect();
        Self { stop, done, slowest_us, tasks }
    }

    /// How many there were, and the longest one's milliseconds.
    async fn finish(self) -> (u64, f64) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        (
            self.done.load(Ordering::Relaxed),
            Duration::from_micros(self.slowest_us.load(Ordering::Relaxed)).as_secs_f64() * 1e3,
        )
    }
}

fn report(what: &str, rows: u64, seconds: f64) {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = rows as f64 / seconds;
    println!("{what:<58} {seconds:>7.3} s  {rate:>11.0} rows/s");
}

async fn measure(rows: u64) {
    let text: Arc<str> = deck(rows).into();
    println!("{rows} rows, {} MiB", text.len() >> 20);
    let alone = Arc::clone(&text);
    let seconds = tokio::task::spawn_blocking(move || compile_seconds(&alone)).await.unwrap();
    report("read, checked, compiled", rows, seconds);

    let files = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("sqlite://{}", files.path().join("bench.db").display())).await.unwrap();
    store.migrate(database::noon()).await.unwrap();
    let running = calls::start(&store, LedgerLimits::default()).await;

    let idle = Settlements::start(&running.ledger, 0);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (settled, slowest) = idle.finish().await;
    println!("settlements with nothing beside them: {} a second, slowest {slowest:.1} ms", settled / 2);

    let beside = Settlements::start(&running.ledger, 1);
    let started = Instant::now();
    let busy = Arc::clone(&text);
    let seconds = tokio::task::spawn_blocking(move || compile_seconds(&busy)).await.unwrap();
    let all = started.elapsed().as_secs_f64();
    let (settled, slowest) = beside.finish().await;
    report("read, checked, compiled, settlements beside it", rows, seconds);
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = settled as f64 / all;
    println!("  meanwhile {rate:.0} settlements a second, slowest {slowest:.1} ms");

    let beside = Settlements::start(&running.ledger, 2);
    let started = Instant::now();
    let import = Import {
        name: "bench".to_owned(),
        kind: TariffKind::Voice,
        currency: None,
        columns: ColumnMap::default(),
        dry_run: false,
    };
    let input = Cursor::new(text.as_bytes().to_vec());
    let wallets = "EUR".parse().unwrap();
    tariffs::import(&store, &SystemClock::new(), wallets, input, import).await.unwrap();
    let seconds = started.elapsed().as_secs_f64();
    let (settled, slowest) = beside.finish().await;
    report("to a published version in SQLite, settlements beside it", rows, seconds);
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = settled as f64 / seconds;
    println!("  meanwhile {rate:.0} settlements a second, slowest {slowest:.1} ms");

    running.stop.cancel();
    running.task.await.unwrap();
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    // Built and started by test runners too, which want nothing measured.
    if !words.iter().any(|word| word == "--bench") {
        return;
    }
    let rows = words.iter().position(|word| word == "--rows").and_then(|at| words.get(at + 1)?.parse().ok());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure(rows.unwrap_or(ROWS)));
}
