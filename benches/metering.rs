//! What metering live calls costs: so many calls up, their holds renewed by slices, each new end told over a manager
//! link to a stand-in for Asterisk, each renewal journalled. Processor time of the service's own threads, of one core.
//!
//! `cargo bench --bench metering`

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that cannot go on ends")]

#[path = "../tests/system/app/asterisk.rs"]
#[expect(dead_code, reason = "the stand-in can do more than is needed here")]
mod asterisk;
#[expect(dead_code, reason = "other benchmarks measure more")]
mod house;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use asterisk::{Behaviour, FakeAsterisk, SECRET, SYSTEM_NAME, USER};
use house::{House, Random};
use tokio_util::sync::CancellationToken;
use tollgate::ami::Links;
use tollgate::calls::orders::Orders;
use tollgate::calls::request::{AuthorizeRequest, Extras};
use tollgate::calls::steer::steer;
use tollgate::clock::SkippingClock;
use tollgate::config::{self, Config};
use tollgate::ledger::CallKey;

/// Calls that are up.
const LIVE: usize = 20_000;
/// How long they are watched: a quarter of them are renewed meanwhile.
const SECONDS: u64 = 15;
const NUMBERS: usize = 4_096;
/// Calls that begin together, and over how long all of them begin: half a slice, after which each is renewed.
const BATCH: usize = 250;
const SPREAD_MS: u64 = 60_000;
/// The clock's ticks in a second, as `/proc` counts processor time.
const TICKS: f64 = 100.0;
/// The stand-in's threads are named so, and not counted.
const STAND_IN: &str = "stand-in";

#[expect(clippy::print_stdout, reason = "the measurements are what the program is for")]
fn main() {
    if !house::is_asked_to_measure() {
        return;
    }
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    let other = threads.worker_threads(1).thread_name(STAND_IN).enable_all().build().unwrap();
    let asterisk = other.block_on(FakeAsterisk::start(Behaviour::answering(|asked| {
        (asked.action == "AbsoluteTimeout").then(|| asked.success("Message: Timeout Set\n"))
    })));
    let address = asterisk.address;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let clock = Arc::new(SkippingClock::default());
    let house = runtime.block_on(House::open_with(NUMBERS, Arc::clone(&clock) as _));
    let stop = CancellationToken::new();
    let links = runtime.block_on(link(&house, address, &stop));
    let calls = Arc::clone(&house.calls);
    calls.add_server(SYSTEM_NAME);
    calls.link_up(SYSTEM_NAME);
    let (orders, given) = Orders::queue();
    calls.take_orders_to(orders);
    runtime.spawn(steer(Arc::clone(&calls), links, given, stop.clone()));
    runtime.block_on(populate(&house, &clock));
    let metrics = &house.services.metrics;
    let (renewed, pushed) =
        (metrics.renewals.load(Ordering::Relaxed), metrics.pushes.load(Ordering::Relaxed));
    let (used, began) = (processor_seconds(), Instant::now());
    std::thread::sleep(Duration::from_secs(SECONDS));
    let took = began.elapsed().as_secs_f64();
    let share = (processor_seconds() - used) / took;
    let renewed = metrics.renewals.load(Ordering::Relaxed) - renewed;
    let pushed = metrics.pushes.load(Ordering::Relaxed) - pushed;
    assert_eq!(calls.open_calls(), LIVE, "all are still up");
    assert!(renewed > 0 && pushed > 0, "{renewed} renewed, {pushed} pushed");
    println!(
        "bench: metering live={LIVE} core_percent={:.2} renewals_per_second={:.0} pushes_per_second={:.0} failed={}",
        share * 100.0,
        f64::from(u32::try_from(renewed).unwrap()) / took,
        f64::from(u32::try_from(pushed).unwrap()) / took,
        metrics.pushes_failed.load(Ordering::Relaxed),
    );
    stop.cancel();
    runtime.block_on(house.close());
    other.block_on(async { drop(asterisk) });
}

async fn link(house: &House, address: std::net::SocketAddr, stop: &CancellationToken) -> Links {
    let server = config::Asterisk {
        name: SYSTEM_NAME.to_owned(),
        host: address.ip().to_string(),
        port: address.port(),
        username: USER.to_owned(),
        secret: Some(config::Secret::new(SECRET)),
        secret_file: None,
        tls: false,
        tls_ca: None,
        tls_name: None,
    };
    let config = Config { asterisk: vec![server], ..Config::default() };
    let (links, _tasks) = Links::start(&config, &house.services.clock, stop);
    let link = links.get(SYSTEM_NAME).expect("it was configured").clone();
    for _ in 0..100 {
        if link.is_up() {
            return links;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the link did not come up: {:?}", link.state());
}

/// Calls that were answered at moments spread over a slice.
async fn populate(house: &House, clock: &SkippingClock) {
    let mut random = Random::default();
    for number in 0..LIVE {
        let unique_id = format!("{SYSTEM_NAME}-1763800000.{number}");
        let request = AuthorizeRequest {
            key: CallKey { server: SYSTEM_NAME.to_owned(), unique_id: unique_id.clone(), leg: 1 },
            endpoint: house.clients[random.below(house.clients.len())].clone(),
            dialled: house.numbers[number % NUMBERS].to_string(),
            caller: String::new(),
            source: None,
            channel: format!("PJSIP/caller-{number:08x}"),
            extras: Extras::default(),
        };
        house.calls.authorize(&request).expect("the number can be called");
        let now_ms = house.services.clock.monotonic_ms();
        let at_ms = i64::try_from(now_ms).unwrap();
        house.calls.answered(SYSTEM_NAME, &unique_id, &format!("PJSIP/carrier-{number:08x}"), at_ms);
        if number % BATCH == 0 {
            house.calls.ledger.flush().await.unwrap();
            // The meter sees each batch when it is answered, so that its renewals stay spread over half a slice.
            tokio::time::sleep(Duration::from_millis(300)).await;
            clock.skip(Duration::from_millis(SPREAD_MS * BATCH as u64 / LIVE as u64 - 300));
            let ownership = &house.services.ownership;
            ownership.granted(ownership.epoch(), house.services.clock.moment());
        }
    }
    house.calls.ledger.flush().await.unwrap();
}

/// Processor time of this process's threads, the stand-in's left out.
fn processor_seconds() -> f64 {
    let mut ticks = 0_u64;
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let Ok(stat) = std::fs::read_to_string(task.unwrap().path().join("stat")) else { continue };
        let (name, rest) = stat.split_once(") ").expect("a thread's line has its name in brackets");
        if name.contains(STAND_IN) {
            continue;
        }
        let fields: Vec<&str> = rest.split(' ').collect();
        // utime and stime, the 14th and 15th field of the line.
        ticks += fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    }
    f64::from(u32::try_from(ticks).unwrap()) / TICKS
}
