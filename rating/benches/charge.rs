//! What a call's rate, its charge, its inverse and its hold cost, and how fast a deck is compiled.
//!
//! `cargo bench -p tollgate-rating --bench charge`

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use jiff::{Timestamp, tz::TimeZone};
use std::{hint::black_box, sync::Arc};
use tollgate_rating::{
    AnswerRange, CallRate, Money, PlanTerms, Prefix, PricedTariff, RateRow, Tariff,
    plan::{Derivation, Markup},
};

/// A Wednesday at noon.
const NOW: i64 = 1_780_488_000;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap_or_default()
}

fn row(prefix: Prefix, nanos: i64) -> RateRow {
    RateRow { initial_block: 30, increment: 6, ..RateRow::new(0, prefix, Money::from_nanos(nanos)) }
}

/// Numbered prefixes in a shuffled order.
fn deck(rows: u64) -> Vec<RateRow> {
    let prefixes = (0..rows).filter_map(|n| Prefix::new(10_000_000 + n * 7_919 % rows, 8));
    let named = prefixes.zip(0..).map(|(prefix, n): (Prefix, i64)| RateRow {
        destination: format!("Destination {}", n % 2000).into(),
        ..row(prefix, 1_000_000 + n)
    });
    named.collect()
}

fn plan(rows: Vec<RateRow>, levels: usize) -> PricedTariff {
    let markup = Markup::from_millionths(200_000).unwrap_or(Markup::NONE);
    let levels = (0..levels).map(|_| Arc::new(Derivation::markup(markup))).collect();
    let zone = TimeZone::get("Europe/Berlin").unwrap_or(TimeZone::UTC);
    let tariff = Tariff::compile(rows).unwrap_or_else(|errors| panic!("{errors}"));
    PricedTariff::new(Arc::new(tariff), levels, Arc::new(PlanTerms { zone, ..PlanTerms::default() }))
}

fn rate(plan: &PricedTariff) -> CallRate {
    let number = "1000123456789".parse();
    number.ok().and_then(|number| plan.rate(number, now()).ok()).unwrap_or_else(|| panic!("no rate"))
}

fn windows() -> Vec<RateRow> {
    let Some(prefix) = Prefix::new(1, 1) else { return Vec::new() };
    let always = row(prefix, 10_000_000);
    let day = RateRow { from_minute: 480, to_minute: 1200, ..row(prefix, 20_000_000) };
    let later = RateRow {
        step_start: 600,
        increment: 1,
        ..RateRow { price_per_minute: Money::from_nanos(5_000_000), ..day.clone() }
    };
    vec![always, day, later]
}

fn benchmarks(c: &mut Criterion) {
    let shapes = [("plain", rate(&plan(deck(60_000), 1))), ("windows and steps", rate(&plan(windows(), 1)))];
    for (name, rate) in &shapes {
        for (length, ms) in [("10 s", 10_000), ("10 h", 36_000_000)] {
            c.bench_function(&format!("charge/{name}/{length}"), |b| {
                b.iter(|| rate.charge(black_box(ms), now()));
            });
        }
        let ring = AnswerRange::new(now(), now() + jiff::SignedDuration::from_secs(90));
        let credit = Money::from_nanos(1_000_000_000);
        c.bench_function(&format!("max_seconds/{name}"), |b| {
            b.iter(|| rate.max_seconds(black_box(credit), 14_400, ring));
        });
        let rich = Money::from_nanos(100_000_000_000);
        c.bench_function(&format!("max_seconds/{name}/rich"), |b| {
            b.iter(|| rate.max_seconds(black_box(rich), 14_400, ring));
        });
        c.bench_function(&format!("hold/{name}"), |b| b.iter(|| rate.hold(black_box(120), ring)));
        c.bench_function(&format!("hold/{name}/full"), |b| b.iter(|| rate.hold(black_box(14_400), ring)));
        c.bench_function(&format!("clone/{name}"), |b| b.iter(|| black_box(rate.clone())));
    }
    for levels in [0, 1, 4] {
        let plan = plan(deck(60_000), levels);
        let numbers: Vec<_> =
            (0..4096_u64).filter_map(|n| format!("100{:05}12345", n * 7919 % 60_000).parse().ok()).collect();
        let mut next = numbers.iter().cycle().copied();
        c.bench_function(&format!("rate/plain/{levels} levels"), |b| {
            b.iter(|| next.next().map(|number| plan.rate(number, now())));
        });
    }
    let windowed = plan(windows(), 1);
    c.bench_function("rate/windows and steps", |b| b.iter(|| rate(&windowed)));

    let mut group = c.benchmark_group("compile");
    group.sample_size(10);
    let million = deck(1_000_000);
    group.bench_function("1,000,000 rows", |b| {
        b.iter_batched(|| million.clone(), Tariff::compile, BatchSize::LargeInput);
    });
}

criterion_group!(benches, benchmarks);
criterion_main!(benches);
