//! Longest-prefix lookup beside a hash map that is probed longest-first.
//!
//! `cargo bench -p tollgate-rating --bench prefix`

use criterion::{Criterion, criterion_group, criterion_main};
use rustc_hash::FxHashMap;
use std::{collections::HashSet, hint::black_box, time::Instant};
use tollgate_rating::prefix::{Prefix, PrefixIndex};

/// Distinct random numbers, so many that neither contender can keep its answers in a cache.
const NUMBERS: usize = 1 << 21;
/// Rounds of the comparison.
const ROUNDS: usize = 9;
/// Numbers between two readings of the clock.
const STRETCH: usize = 1 << 14;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    /// So many digits, the first of them not 0.
    fn digits(&mut self, len: u8) -> (u64, u8) {
        let tens = 10_u64.pow(u32::from(len) - 1);
        (tens + self.below(9 * tens), len)
    }

    fn length(&mut self, from: u8, until: u8) -> u8 {
        from + u8::try_from(self.below(u64::from(until - from) + 1)).unwrap_or_default()
    }
}

/// Prefixes of 2 to 11 digits.
fn random_deck(count: usize, random: &mut Random) -> Vec<(u64, u8)> {
    distinct(count, || {
        let len = random.length(2, 11);
        random.digits(len)
    })
}

/// Half of it under 1 (with area code and exchange), the rest under some dozen countries.
fn skewed_deck(count: usize, random: &mut Random) -> Vec<(u64, u8)> {
    const COUNTRIES: [u64; 12] = [44, 49, 33, 39, 34, 7, 86, 91, 55, 52, 61, 62];
    distinct(count, || {
        if random.below(2) == 0 {
            let len = random.length(7, 10);
            let tens = 10_u64.pow(u32::from(len) - 4);
            return ((1200 + random.below(790)) * tens + random.below(tens), len);
        }
        let country = COUNTRIES[usize::try_from(random.below(12)).unwrap_or_default()];
        let more = random.length(2, 8);
        let tens = 10_u64.pow(u32::from(more));
        (country * tens + random.below(tens), more + if country < 10 { 1 } else { 2 })
    })
}

fn distinct(count: usize, mut draw: impl FnMut() -> (u64, u8)) -> Vec<(u64, u8)> {
    let mut seen = HashSet::with_capacity(count);
    let mut drawn = Vec::with_capacity(count);
    while drawn.len() < count {
        let digits = draw();
        if seen.insert(digits) {
            drawn.push(digits);
        }
    }
    drawn
}

/// What a switch without an index does: one map, tried with every beginning of the number.
struct Probed {
    map: FxHashMap<u64, u32>,
    longest: u8,
}

impl Probed {
    fn build(deck: &[(u64, u8)]) -> Self {
        let map = deck.iter().zip(0..).map(|((value, len), n)| (value << 4 | u64::from(*len), n)).collect();
        Self { map, longest: deck.iter().map(|(_, len)| *len).max().unwrap_or_default() }
    }

    /// Begins at the length of the longest prefix there is.
    fn lookup(&self, mut value: u64, mut len: u8) -> Option<u32> {
        while len > self.longest {
            value /= 10;
            len -= 1;
        }
        self.probe(value, len)
    }

    /// Begins at the number itself.
    fn probe(&self, mut value: u64, mut len: u8) -> Option<u32> {
        while len > 0 {
            if let Some(found) = self.map.get(&(value << 4 | u64::from(len))) {
                return Some(*found);
            }
            value /= 10;
            len -= 1;
        }
        None
    }
}

/// The least time of every stretch of numbers, over all rounds: whatever else the machine does falls on some rounds of
/// a stretch, hardly on all.
struct Best {
    stretches_ns: Vec<u128>,
    matched: usize,
}

impl Best {
    fn new() -> Self {
        Self { stretches_ns: vec![u128::MAX; NUMBERS.div_ceil(STRETCH)], matched: 0 }
    }

    /// One pass over all numbers.
    fn pass(&mut self, numbers: &[(u64, u8)], mut lookup: impl FnMut(u64, u8) -> bool) {
        self.matched = 0;
        for (stretch, best_ns) in numbers.chunks(STRETCH).zip(&mut self.stretches_ns) {
            let begin = Instant::now();
            self.matched += stretch.iter().filter(|(value, len)| lookup(*value, *len)).count();
            *best_ns = begin.elapsed().as_nanos().min(*best_ns);
        }
    }

    fn ns(&self) -> u128 {
        self.stretches_ns.iter().sum()
    }
}

#[expect(clippy::print_stdout, reason = "the ratio is what the bench is for")]
fn compare(name: &str, deck: &[(u64, u8)], numbers: &[(u64, u8)]) -> PrefixIndex {
    let begin = Instant::now();
    let Ok(index) = PrefixIndex::build(deck.iter().filter_map(|(value, len)| Prefix::new(*value, *len)))
    else {
        panic!("the deck is distinct");
    };
    let build_ms = begin.elapsed().as_millis();
    let probed = Probed::build(deck);
    // In turns, so that each finds the caches as another left them.
    let (mut full, mut longest, mut indexed) = (Best::new(), Best::new(), Best::new());
    for _ in 0..ROUNDS {
        full.pass(numbers, |value, len| black_box(probed.probe(value, len)).is_some());
        longest.pass(numbers, |value, len| black_box(probed.lookup(value, len)).is_some());
        indexed.pass(numbers, |value, len| black_box(index.lookup_digits(value, len)).is_some());
        assert_eq!((full.matched, longest.matched), (indexed.matched, indexed.matched), "all find the same");
    }
    let (full_ns, map_ns, index_ns, found) = (full.ns(), longest.ns(), indexed.ns(), indexed.matched);
    let per = |ns: u128| ns / numbers.len() as u128;
    let ratio = |ns: u128| format!("{}.{:02}", ns / index_ns, ns * 100 / index_ns % 100);
    println!(
        "{name}: {} prefixes, {} numbers, {found} match: map from the number's last digit {} ns, from the longest \
         prefix's {} ns, index {} ns: ratio {} and {}; {} bytes a prefix; built in {build_ms} ms",
        deck.len(),
        numbers.len(),
        per(full_ns),
        per(map_ns),
        per(index_ns),
        ratio(full_ns),
        ratio(map_ns),
        index.heap_bytes().div_ceil(deck.len()),
    );
    index
}

fn lookups(criterion: &mut Criterion) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let numbers = distinct(NUMBERS, || {
        let len = random.length(11, 15);
        random.digits(len)
    });
    for count in [250_000, 1_000_000] {
        for (name, deck) in
            [("random", random_deck(count, &mut random)), ("skewed", skewed_deck(count, &mut random))]
        {
            // A skewed deck is asked for numbers under its own prefixes: those are the numbers that are called.
            let called: Vec<_> = if name == "random" {
                numbers.clone()
            } else {
                distinct(NUMBERS, || {
                    let at = usize::try_from(random.below(count as u64)).unwrap_or_default();
                    let (value, len) = deck[at];
                    let more = random.length(1, 15 - len);
                    let tens = 10_u64.pow(u32::from(more));
                    (value * tens + random.below(tens), len + more)
                })
            };
            let index = compare(name, &deck, &called);
            let mut next = called.iter().cycle();
            criterion.bench_function(&format!("prefix/{name}/{count}"), |bencher| {
                bencher.iter(|| next.next().map(|(value, len)| index.lookup_digits(*value, *len)));
            });
        }
    }
}

criterion_group!(benches, lookups);
criterion_main!(benches);
