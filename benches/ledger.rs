//! Durable settlements per second: group commit beside one commit a call, on `SQLite` (synchronous=FULL) and on
//! `PostgreSQL` (`synchronous_commit=on`).
//!
//! ```text
//! TOLLGATE_BENCH_POSTGRES=postgres://user@host/database cargo bench --bench ledger
//! ```
//!
//! The database that the URL names must allow to create another one. Every settlement has two payers, a carrier, its
//! rates as JSON and four entries, and is acknowledged after its commit. Both ways run through the same code: "one
//! commit a call" is the ledger with batches of one. Then what the spool keeps while another process has the database
//! locked, each acknowledged after its synchronisation, and how fast that is written when the lock is gone.

#![expect(clippy::print_stdout, reason = "it prints what it measured")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a driver that cannot go on ends")]

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;
use tollgate::{
    clock::{Clock, SystemClock},
    ledger::{
        BuyCost, CallKey, CallKind, CdrDraft, Direction, Disposition, DurationSource, Held, Ledger,
        LedgerLimits, OpenCall, PayerCharge, RouteAttempt, Settlement, Spool, Taken, TrunkUsed, audit::audit,
    },
    store::Store,
};
use tollgate_rating::{CallRate, Money, PlanTerms, PricedTariff, RateRow, Tariff};

/// Calls that end at the same time: what a busy `Asterisk` cluster has waiting.
const CALLERS: usize = 256;
/// How long each way is measured; six of them stay within twenty seconds.
const MEASURED: Duration = Duration::from_millis(2_800);

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--list") {
        return;
    }
    // Run as a test (`cargo test --benches`) it only shows that it works.
    let measured =
        if arguments.iter().any(|argument| argument == "--bench") { MEASURED } else { MEASURED / 20 };
    println!("{CALLERS} callers; settlements acknowledged after their commit");
    println!(
        "{:<12}{:<34}{:>10}{:>10}{:>10}{:>14}{:>8}",
        "database", "way", "calls/s", "p50 ms", "p99 ms", "calls/commit", "ratio"
    );
    let files = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let sqlite = format!("sqlite://{}", files.path().join("bench.db").display());
    measure("SQLite", &sqlite, measured).await;
    measure_spool(&sqlite, &files.path().join("spool"), measured).await;
    match std::env::var("TOLLGATE_BENCH_POSTGRES").or_else(|_| std::env::var("TOLLGATE_TEST_POSTGRES")) {
        Ok(server) => {
            let (url, name) = new_database(&server).await;
            measure("PostgreSQL", &url, measured).await;
            drop_database(&server, &name).await;
        }
        Err(_) => println!("PostgreSQL  not measured: TOLLGATE_BENCH_POSTGRES is not set"),
    }
}

async fn measure(database: &str, url: &str, measured: Duration) {
    let store = Store::open(url).await.unwrap();
    store.migrate(SystemClock::new().now()).await.unwrap();
    let one_each = LedgerLimits { batch: 1, ..LedgerLimits::default() };
    let mut single = None;
    for (way, limits, journal) in [
        ("one commit a call", one_each, false),
        ("group commit", LedgerLimits::default(), false),
        ("group commit, with opening", LedgerLimits::default(), true),
    ] {
        let run = Run::of(&store, limits, way, journal, measured).await;
        let base = *single.get_or_insert(run.per_second());
        let ratio = run.per_second() * 10 / base.max(1);
        println!(
            "{database:<12}{way:<34}{:>10}{:>10}{:>10}{:>14}{:>8}",
            run.per_second(),
            milliseconds(run.percentile(50)),
            milliseconds(run.percentile(99)),
            run.calls_per_commit(),
            format!("{}.{}", ratio / 10, ratio % 10),
        );
    }
    let report = audit(&store).await.unwrap();
    assert!(report.ok, "the book is not in order: {:?}", report.differences.first());
    store.close().await;
}

/// Keeps settlements while the database is locked, then drains them.
async fn measure_spool(url: &str, dir: &Path, measured: Duration) {
    let store = Store::open(url).await.unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let sample = sample(clock.now());
    let stop = CancellationToken::new();
    let (ledger, task) =
        Ledger::start(store.clone(), clock, LedgerLimits::default(), stop.clone()).await.unwrap();
    let spool = Spool::new(ledger);
    spool.open(dir, "bench").await.unwrap();
    let other = Store::open(url).await.unwrap();
    let locked = other.begin().await.unwrap();
    let keep = |name: String| {
        let (spool, mut settlement) = (spool.clone(), sample.clone());
        settlement.key.unique_id = name;
        async move {
            let kept = spool.settle(settlement).await.unwrap();
            assert_eq!(kept, Taken::Spooled { again: false });
        }
    };
    // The first one waits for the database.
    keep("spool".to_owned()).await;
    let started = Instant::now();
    let callers = futures::future::join_all((0..CALLERS).map(|caller| async move {
        let mut latencies = Vec::new();
        while started.elapsed() < measured {
            let asked = Instant::now();
            keep(format!("spool {caller}-{}", latencies.len())).await;
            latencies.push(asked.elapsed());
        }
        latencies
    }));
    let mut latencies: Vec<Duration> = callers.await.into_iter().flatten().collect();
    let elapsed = started.elapsed();
    latencies.sort_unstable();
    let run = Run { elapsed, latencies, commits: 1 };
    let bytes =
        spool.counters().bytes.load(Ordering::Relaxed) / spool.counters().records.load(Ordering::Relaxed);
    println!(
        "{:<12}{:<34}{:>10}{:>10}{:>10}{:>14}",
        "spool",
        "kept while the database is away",
        run.per_second(),
        milliseconds(run.percentile(50)),
        milliseconds(run.percentile(99)),
        format!("{bytes} bytes"),
    );
    locked.rollback().await.unwrap();
    let (started, mut drained) = (Instant::now(), 0);
    while spool.counters().records.load(Ordering::Relaxed) > 0 {
        drained += spool.write_next().await.map_or(0, |written| written.len());
    }
    let per_second = drained as u128 * 1_000 / started.elapsed().as_millis().max(1);
    println!("{:<12}{:<34}{per_second:>10}", "spool", "drained when it is back");
    spool.close().await;
    stop.cancel();
    task.await.unwrap();
    let report = audit(&store).await.unwrap();
    assert!(report.ok, "the book is not in order: {:?}", report.differences.first());
    store.close().await;
}

/// What was measured of one way.
struct Run {
    elapsed: Duration,
    latencies: Vec<Duration>,
    commits: u64,
}

impl Run {
    async fn of(store: &Store, limits: LedgerLimits, way: &str, journal: bool, measured: Duration) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let stop = CancellationToken::new();
        let (ledger, task) =
            Ledger::start(store.clone(), Arc::clone(&clock), limits, stop.clone()).await.unwrap();
        let sample = sample(clock.now());
        let started = Instant::now();
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let (ledger, sample, way) = (ledger.clone(), sample.clone(), way.to_owned());
                tokio::spawn(async move {
                    let mut latencies = Vec::new();
                    while started.elapsed() < measured {
                        let mut settlement = sample.clone();
                        settlement.key.unique_id = format!("{way} {caller}-{}", latencies.len());
                        let asked = Instant::now();
                        if journal {
                            ledger.open_call(opened(&settlement));
                        }
                        ledger.settle(settlement).await.unwrap();
                        latencies.push(asked.elapsed());
                    }
                    latencies
                })
            })
            .collect();
        let mut latencies = Vec::new();
        for caller in callers {
            latencies.extend(caller.await.unwrap());
        }
        let elapsed = started.elapsed();
        latencies.sort_unstable();
        let commits = ledger.counters().batches.load(Ordering::Relaxed);
        stop.cancel();
        task.await.unwrap();
        Self { elapsed, latencies, commits }
    }

    fn per_second(&self) -> u128 {
        self.latencies.len() as u128 * 1_000 / self.elapsed.as_millis().max(1)
    }

    fn percentile(&self, percent: usize) -> Duration {
        self.latencies[(self.latencies.len() * percent / 100).min(self.latencies.len() - 1)]
    }

    fn calls_per_commit(&self) -> u64 {
        self.latencies.len() as u64 / self.commits.max(1)
    }
}

fn milliseconds(duration: Duration) -> String {
    format!("{}.{}", duration.as_millis(), duration.as_micros() % 1_000 / 100)
}

fn rate(price: &str, at: Timestamp) -> CallRate {
    let row = RateRow::new(2, "49".parse().unwrap(), Money::parse(price).unwrap());
    let tariff = Arc::new(Tariff::compile([row]).unwrap());
    let plan = PricedTariff::new(tariff, Vec::new(), Arc::new(PlanTerms::default()));
    plan.rate("4930123456".parse().unwrap(), at).unwrap()
}

/// A minute to Berlin.
fn sample(at: Timestamp) -> Settlement {
    let priced = |price| {
        let rate = rate(price, at);
        (rate.charge(60_000, at).unwrap(), serde_json::to_string(&rate).unwrap())
    };
    let payer = |account_id, price| {
        let (charge, rate_json) = priced(price);
        PayerCharge {
            account_id,
            plan_versions: vec![1, 2],
            tariff_version: Some(3),
            prefix: Some("49".to_owned()),
            price_per_minute: Some(Money::parse(price).unwrap()),
            billed_seconds: charge.billed_seconds,
            charge: charge.amount,
            rate_json: Some(rate_json),
        }
    };
    let (cost, rate_json) = priced("0.06");
    Settlement {
        key: CallKey { server: "pbx1".to_owned(), unique_id: String::new(), leg: 1 },
        cdr: CdrDraft {
            kind: CallKind::Call,
            direction: Direction::Outbound,
            disposition: Disposition::Answered,
            refused_reason: None,
            account_id: Some(100),
            endpoint: "1001".to_owned(),
            caller: "4930111".to_owned(),
            dialled: "004930123456".to_owned(),
            number: Some("4930123456".to_owned()),
            destination: Some("Germany, Berlin".to_owned()),
            setup_at: at,
            answered_at: Some(at),
            ended_at: at.checked_add(SignedDuration::from_secs(60)).unwrap(),
            answered_ms: 60_000,
            charged_ms: 60_000,
            overrun_ms: 0,
            pdd_ms: Some(120),
            hangup_cause: Some(16),
            sip_code: Some(200),
            hung_up_by: Some("caller".to_owned()),
            source_address: Some("192.0.2.1".to_owned()),
            sip_call_id: Some("3c2675a1e7b8@192.0.2.1".to_owned()),
            duration_source: DurationSource::Asterisk,
            trunk: Some(TrunkUsed { trunk_id: 7, name: "carrier".to_owned() }),
            route: 1,
            attempts: vec![RouteAttempt {
                route: 1,
                trunk: Some("carrier".to_owned()),
                dial_status: "ANSWER".to_owned(),
                cause: Some(16),
                ms: Some(3_200),
            }],
            currency: "EUR".to_owned(),
        },
        payers: vec![payer(100, "0.12"), payer(101, "0.10")],
        buy: Some(BuyCost {
            tariff_version: Some(9),
            prefix: Some("49".to_owned()),
            price_per_minute: Some(Money::parse("0.06").unwrap()),
            currency: "USD".to_owned(),
            fx_rate: Some("0.92".to_owned()),
            billed_seconds: cost.billed_seconds,
            cost: cost.amount,
            rate_json: Some(rate_json),
        }),
        provisional: false,
    }
}

fn opened(settlement: &Settlement) -> OpenCall {
    OpenCall {
        key: settlement.key.clone(),
        ticket: "A".repeat(240),
        held: settlement
            .payers
            .iter()
            .map(|payer| Held { account_id: payer.account_id, amount: payer.charge })
            .collect(),
        granted_at: settlement.cdr.setup_at,
        hold_until: settlement.cdr.ended_at,
        epoch: 1,
        funded_seconds: 120,
        pushed_seconds: 120,
        answered_at: None,
        alive_at: None,
    }
}

async fn new_database(server: &str) -> (String, String) {
    let name = format!("tollgate_bench_{}", std::process::id());
    administer(server, format!("CREATE DATABASE {name}")).await;
    let authority = server.find("://").expect("a URL") + 3;
    let path = server[authority..].find('/').map_or(server.len(), |slash| authority + slash);
    let parameters = server.find('?').map_or("", |question| &server[question..]);
    (format!("{}/{name}{parameters}", &server[..path]), name)
}

async fn drop_database(server: &str, name: &str) {
    administer(server, format!("DROP DATABASE {name} WITH (FORCE)")).await;
}

async fn administer(server: &str, text: String) {
    let pool = sqlx::PgPool::connect(server).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(text)).execute(&pool).await.unwrap();
    pool.close().await;
}
