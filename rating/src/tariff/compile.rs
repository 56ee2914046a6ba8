//! From rows to a [`Tariff`]: check each, intern what is shared, sort, join what belongs together.

use super::{
    compiled::{MANY, Period, Schedule, Slot, Tariff, Terms, Window},
    error::{DeckErrors, of_prefix},
    row::{MAX_BLOCK_SECONDS, MAX_PRICE, MAX_STEP_START, RateRow, ValidityBound},
};
use crate::{
    money::Money,
    prefix::{Prefix, PrefixIndex},
    terms::Head,
    week::{DAY_MINUTES, Opening, Week, WeekError, format_week_minute},
};
use core::{borrow::Borrow, hash::Hash};
use jiff::tz::TimeZone;
use std::{collections::HashMap, sync::Arc};

/// The most windows a rate may have: a new one every ten minutes of the week.
const MAX_WINDOWS: usize = 1008;

/// When a rate begins and ends to hold.
type Validity = (Option<ValidityBound>, Option<ValidityBound>);

/// A checked row, all that is shared replaced by numbers.
#[derive(Clone, Copy)]
struct Entry {
    prefix: Prefix,
    line: u64,
    slot: Slot,
    validity: u32,
    opening: u32,
    step_start: u32,
}

/// Numbers for values, in the order of their first appearance.
struct Interner<T> {
    numbers: HashMap<T, u32>,
    values: Vec<T>,
    last: u32,
}

impl<T: Clone + Eq + Hash> Interner<T> {
    fn new() -> Self {
        Self { numbers: HashMap::new(), values: Vec::new(), last: 0 }
    }

    /// The number of a value. Decks repeat themselves from line to line, so the last one is tried first.
    fn intern<Q: Eq + Hash + ?Sized>(&mut self, value: &Q, own: impl Fn(&Q) -> T) -> u32
    where
        T: Borrow<Q>,
    {
        if self.values.get(self.last as usize).is_some_and(|known| known.borrow() == value) {
            return self.last;
        }
        self.last = if let Some(number) = self.numbers.get(value) {
            *number
        } else {
            let number = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
            self.numbers.insert(own(value), number);
            self.values.push(own(value));
            number
        };
        self.last
    }
}

impl<T: Clone + Eq + Hash + Ord> Interner<T> {
    /// The values in order, and for each number its place among them.
    fn into_sorted(self) -> (Vec<u32>, Vec<T>) {
        let mut order: Vec<(T, usize)> = self.values.into_iter().zip(0..).collect();
        order.sort_unstable();
        let mut ranks = vec![0; order.len()];
        for (rank, (_, number)) in (0..).zip(&order) {
            ranks[*number] = rank;
        }
        (ranks, order.into_iter().map(|(value, _)| value).collect())
    }
}

impl Tariff {
    /// Checks and compiles a deck. Nothing is kept of one that has an error; every bad row is counted and the first
    /// hundred are named.
    ///
    /// Rows of one prefix and validity are one rate. Its rows with the same days and times are the steps of one
    /// window; the window with the fewest minutes a week holds where several are open. The connect fee, the initial
    /// block, `free_below`, `additional_time`, the least and the largest charge and `blocked` are those of step 0:
    /// a later step's columns of that kind are kept for export and have no effect.
    ///
    /// # Errors
    ///
    /// Per row: an increment of 0, a block, free time or added time above a day, a step beyond thirty days, a
    /// negative amount or one above [`MAX_PRICE`], `min_charge` above `max_charge`, a window that opens when it
    /// closes, a validity that ends before it begins (a date against a time: read in UTC). Per rate: two rows for
    /// one step, a window without step 0, a minute of the week without a window, two windows of one width that
    /// overlap.
    pub fn compile(rows: impl IntoIterator<Item = RateRow>) -> Result<Self, DeckErrors> {
        compile(rows)
    }
}

fn compile(rows: impl IntoIterator<Item = RateRow>) -> Result<Tariff, DeckErrors> {
    let mut errors = DeckErrors::default();
    let mut destinations: Interner<Arc<str>> = Interner::new();
    let mut terms: Interner<Terms> = Interner::new();
    let mut validities: Interner<Validity> = Interner::new();
    let mut openings: Interner<Opening> = Interner::new();
    let rows = rows.into_iter();
    let mut entries: Vec<Entry> = Vec::with_capacity(rows.size_hint().0.min(1 << 24));
    for row in rows {
        let opening = Opening { days: row.days, from: row.from_minute, to: closing_minute(&row) };
        if !check(&row, opening, &mut errors) {
            continue;
        }
        let slot = Slot {
            price: row.price_per_minute,
            destination: destinations.intern(&*row.destination, |name| Arc::from(name)),
            terms: terms.intern(&terms_of(&row), |terms| *terms),
        };
        entries.push(Entry {
            prefix: row.prefix,
            line: row.line,
            slot,
            validity: validities.intern(&(row.valid_from, row.valid_until), |validity| *validity),
            opening: openings.intern(&opening, |opening| *opening),
            step_start: row.step_start,
        });
    }
    if terms.values.len() >= MANY as usize {
        errors.push(0, "prefix", "the deck has more than 2^31 different terms");
    }
    let (validity_ranks, validities) = validities.into_sorted();
    let (opening_ranks, openings) = openings.into_sorted();
    for entry in &mut entries {
        entry.validity = validity_ranks[entry.validity as usize];
        entry.opening = opening_ranks[entry.opening as usize];
    }
    entries.sort_unstable_by_key(|entry| {
        (entry.prefix, entry.validity, entry.opening, entry.step_start, entry.line)
    });
    // Rates are checked even where rows were refused, so that one report names everything; a rate that lost a row
    // is not judged by what is left of it.
    let partial = errors.total > 0;
    let mut layout =
        Layout { validities, openings, weeks: HashMap::new(), schedules: Vec::new(), partial, errors };
    let mut prefixes = Vec::new();
    let mut slots = Vec::new();
    for group in entries.chunk_by(|a, b| a.prefix == b.prefix) {
        prefixes.push(group[0].prefix);
        slots.push(layout.slot(group));
    }
    let Layout { schedules, mut errors, .. } = layout;
    let index = PrefixIndex::build(prefixes);
    if let Err(reason) = &index {
        errors.push(0, "prefix", reason.to_string());
    }
    let index = errors.into_result(index)?.map_err(|_| DeckErrors::default())?;
    Ok(Tariff {
        index,
        slots: slots.into_boxed_slice(),
        schedules: schedules.into_boxed_slice(),
        destinations: destinations.values.into_boxed_slice(),
        terms: terms.values.into_boxed_slice(),
        rows: entries.len(),
    })
}

/// The minute at which a row's window closes. Midnight at a day's end is 24:00, so that a window written `18:00` to
/// `00:00` is the one written `18:00` to `24:00`.
fn closing_minute(row: &RateRow) -> u16 {
    if row.to_minute == 0 && row.from_minute > 0 { DAY_MINUTES } else { row.to_minute }
}

fn terms_of(row: &RateRow) -> Terms {
    let head = Head {
        connect_fee: row.connect_fee,
        initial_block: row.initial_block,
        free_below: row.free_below,
        additional_time: row.additional_time,
        min_charge: row.min_charge,
        max_charge: row.max_charge,
    };
    Terms { head, increment: row.increment, blocked: row.blocked }
}

/// Checks what a row says by itself. Whether nothing was wrong.
fn check(row: &RateRow, opening: Opening, errors: &mut DeckErrors) -> bool {
    let before = errors.total;
    let mut amount = |column, amount: Money| {
        if amount.is_negative() {
            errors.push(row.line, column, "is negative");
        } else if amount > MAX_PRICE {
            errors.push(row.line, column, format!("is above {MAX_PRICE}"));
        }
    };
    amount("price_per_minute", row.price_per_minute);
    amount("connect_fee", row.connect_fee);
    row.min_charge.into_iter().for_each(|charge| amount("min_charge", charge));
    row.max_charge.into_iter().for_each(|charge| amount("max_charge", charge));
    if let (Some(min), Some(max)) = (row.min_charge, row.max_charge)
        && min > max
    {
        errors.push(row.line, "max_charge", format!("is below min_charge {min}"));
    }
    for (column, seconds, limit) in [
        ("initial_block", row.initial_block, MAX_BLOCK_SECONDS),
        ("increment", row.increment, MAX_BLOCK_SECONDS),
        ("free_below", row.free_below, MAX_BLOCK_SECONDS),
        ("additional_time", row.additional_time, MAX_BLOCK_SECONDS),
        ("step_start", row.step_start, MAX_STEP_START),
    ] {
        if seconds > limit {
            errors.push(row.line, column, format!("is above {limit} seconds"));
        }
    }
    if row.increment == 0 {
        errors.push(row.line, "increment", "is 0; the smallest block is one second");
    }
    if row.from_minute >= DAY_MINUTES {
        errors.push(row.line, "from_time", "is not before 24:00");
    }
    if row.to_minute > DAY_MINUTES {
        errors.push(row.line, "to_time", "is after 24:00");
    }
    if opening.from == opening.to {
        errors.push(row.line, "to_time", "equals from_time; all day is 00:00 to 24:00");
    }
    if let (Some(from), Some(until)) = (row.valid_from, row.valid_until)
        && from.instant(&TimeZone::UTC) >= until.instant(&TimeZone::UTC)
    {
        errors.push(row.line, "valid_until", format!("is not after valid_from {from}"));
    }
    errors.total == before
}

/// The compiled layout of rates.
struct Layout {
    validities: Vec<Validity>,
    openings: Vec<Opening>,
    /// The week that windows make, by their numbers: a deck has few different ones.
    weeks: HashMap<Vec<u32>, Arc<Week>>,
    schedules: Vec<Schedule>,
    /// True if rows are missing because they were refused.
    partial: bool,
    errors: DeckErrors,
}

impl Layout {
    /// Lays out the rows of a prefix, which are in order.
    fn slot(&mut self, rows: &[Entry]) -> Slot {
        if let [row] = rows
            && row.step_start == 0
            && self.validities[row.validity as usize] == (None, None)
            && self.openings[row.opening as usize] == Opening::ALWAYS
        {
            return row.slot;
        }
        let periods = rows.chunk_by(|a, b| a.validity == b.validity).filter_map(|rows| self.period(rows));
        let schedule: Schedule = periods.collect();
        let number = u32::try_from(self.schedules.len()).unwrap_or(MANY) | MANY;
        self.schedules.push(schedule);
        Slot { price: Money::ZERO, destination: rows[0].slot.destination, terms: number }
    }

    /// Lays out the rows of a prefix and validity; nothing where they are refused.
    fn period(&mut self, rows: &[Entry]) -> Option<Period> {
        let windows: Box<[Window]> =
            rows.chunk_by(|a, b| a.opening == b.opening).map(|rows| self.window(rows)).collect();
        let first = rows.iter().min_by_key(|row| row.line)?;
        let week = self.week(rows, &windows, first)?;
        let (valid_from, valid_until) = self.validities[first.validity as usize];
        Some(Period { valid_from, valid_until, week, windows })
    }

    /// Lays out the steps of a window.
    fn window(&mut self, rows: &[Entry]) -> Window {
        let opening = self.openings[rows[0].opening as usize];
        for pair in rows.windows(2).filter(|pair| pair[0].step_start == pair[1].step_start) {
            let [first, second] = pair else { continue };
            let (prefix, step) = (of_prefix(second.prefix), second.step_start);
            let reason = format!(
                "{prefix} has a second row for window {opening}, step {step} and its validity, after line {}",
                first.line
            );
            self.errors.push(second.line, "prefix", reason);
        }
        if rows[0].step_start != 0 && !self.partial {
            let reason =
                format!("{} has no row with step_start 0 for window {opening}", of_prefix(rows[0].prefix));
            self.errors.push(rows[0].line, "step_start", reason);
        }
        Window { opening, steps: rows.iter().map(|row| (row.step_start, row.slot)).collect() }
    }

    fn week(&mut self, rows: &[Entry], windows: &[Window], first: &Entry) -> Option<Arc<Week>> {
        let key: Vec<u32> =
            rows.chunk_by(|a, b| a.opening == b.opening).map(|rows| rows[0].opening).collect();
        if let Some(week) = self.weeks.get(&key) {
            return Some(Arc::clone(week));
        }
        let prefix = of_prefix(first.prefix);
        if windows.len() > MAX_WINDOWS {
            self.errors.push(first.line, "days", format!("{prefix} has more than {MAX_WINDOWS} windows"));
            return None;
        }
        let openings: Vec<Opening> = windows.iter().map(|window| window.opening).collect();
        match Week::new(&openings) {
            Ok(week) => {
                let week = Arc::new(week);
                self.weeks.insert(key, Arc::clone(&week));
                Some(week)
            }
            Err(WeekError::Uncovered(minute)) if !self.partial => {
                let reason = format!("{prefix} has no window that covers {}", format_week_minute(minute));
                self.errors.push(first.line, "days", reason);
                None
            }
            Err(WeekError::Uncovered(_)) => None,
            Err(WeekError::Ambiguous(one, other, minute)) => {
                let line_of = |opening: Opening| {
                    let rows = rows.iter().filter(|row| self.openings[row.opening as usize] == opening);
                    rows.map(|row| row.line).min().unwrap_or(first.line)
                };
                let (one, other) = (openings[one], openings[other]);
                let (line, earlier) = (line_of(one).max(line_of(other)), line_of(one).min(line_of(other)));
                let at = format_week_minute(minute);
                let reason = format!(
                    "{prefix} has two windows of one width at {at}, {one} and {other}, the first in line {earlier}"
                );
                self.errors.push(line, "days", reason);
                None
            }
        }
    }
}
