//! The compiled deck: its layout in memory, and the lookup of a rate.

use super::row::{RateRow, ValidityBound};
use crate::{
    money::Money,
    number::E164,
    prefix::{Prefix, PrefixIndex},
    terms::Head,
    week::{Opening, Week},
};
use jiff::{Timestamp, tz::TimeZone};
use std::sync::Arc;

/// The terms of a row beside its price and destination; kept once for all rows that share them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Terms {
    pub(crate) head: Head,
    pub(crate) increment: u32,
    pub(crate) blocked: bool,
}

/// The price of a row, and where its destination and terms are. For a prefix with more than one row, `terms` has
/// [`MANY`] set and points into the tariff's schedules.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) price: Money,
    pub(super) destination: u32,
    pub(super) terms: u32,
}

/// Marks a slot whose prefix has a [`Schedule`].
pub(super) const MANY: u32 = 1 << 31;

/// A rate of a prefix that has several, or whose validity or windows are limited.
#[derive(Debug)]
pub(super) struct Period {
    pub(super) valid_from: Option<ValidityBound>,
    pub(super) valid_until: Option<ValidityBound>,
    pub(super) week: Arc<Week>,
    pub(super) windows: Box<[Window]>,
}

impl Period {
    fn holds(&self, at: Timestamp, zone: &TimeZone) -> bool {
        self.valid_from.is_none_or(|bound| bound.instant(zone) <= at)
            && self.valid_until.is_none_or(|bound| at < bound.instant(zone))
    }

    /// Of two that hold, the one with the larger order wins: the one that began last, then the one that ends first.
    fn precedence(&self, zone: &TimeZone) -> (Timestamp, core::cmp::Reverse<Timestamp>) {
        let from = self.valid_from.map_or(Timestamp::MIN, |bound| bound.instant(zone));
        let until = self.valid_until.map_or(Timestamp::MAX, |bound| bound.instant(zone));
        (from, core::cmp::Reverse(until))
    }
}

/// The steps of a rate while a window is open.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) opening: Opening,
    /// By the second of the call from which they hold; the first is 0.
    pub(super) steps: Box<[(u32, Slot)]>,
}

/// All rates of a prefix, each of its own validity.
pub(super) type Schedule = Box<[Period]>;

/// An immutable, compiled deck.
#[derive(Debug)]
pub struct Tariff {
    pub(super) index: PrefixIndex,
    /// By position in the index.
    pub(super) slots: Box<[Slot]>,
    pub(super) schedules: Box<[Schedule]>,
    pub(super) destinations: Box<[Arc<str>]>,
    pub(super) terms: Box<[Terms]>,
    pub(super) rows: usize,
}

/// A rate found by [`Tariff::find`].
#[derive(Clone, Copy, Debug)]
pub struct FoundRate<'a> {
    pub(super) tariff: &'a Tariff,
    pub(super) prefix: Prefix,
    pub(super) rate: Rate<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Rate<'a> {
    Plain(Slot),
    Scheduled(&'a Period),
}

/// The step of a window, with the terms it points to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FoundStep<'a> {
    pub(crate) start: u32,
    pub(crate) price: Money,
    pub(crate) terms: &'a Terms,
}

/// The windows of a found rate, borrowed from the tariff.
pub(crate) enum FoundForm<'a> {
    /// A single window with a single step.
    Plain(FoundStep<'a>),
    /// Windows by their position in the week, each with its steps.
    Windows(&'a Arc<Week>, Vec<Vec<FoundStep<'a>>>),
}

impl<'a> FoundRate<'a> {
    /// The prefix that the number begins with.
    pub const fn prefix(&self) -> Prefix {
        self.prefix
    }

    /// Destination name of the prefix, from its first row.
    pub fn destination(&self) -> &'a Arc<str> {
        let slot = match self.rate {
            Rate::Plain(slot) => slot,
            Rate::Scheduled(period) => period.windows[0].steps[0].1,
        };
        &self.tariff.destinations[slot.destination as usize]
    }

    /// Reports whether numbers with the prefix may not be called at any time of the week.
    pub fn is_blocked(&self) -> bool {
        let blocked = |slot: Slot| self.tariff.terms[slot.terms as usize].blocked;
        match self.rate {
            Rate::Plain(slot) => blocked(slot),
            Rate::Scheduled(period) => period.windows.iter().all(|window| blocked(window.steps[0].1)),
        }
    }

    /// When the rate begins and ends to hold.
    pub fn validity(&self) -> (Option<ValidityBound>, Option<ValidityBound>) {
        match self.rate {
            Rate::Plain(_) => (None, None),
            Rate::Scheduled(period) => (period.valid_from, period.valid_until),
        }
    }

    /// The price of a message's segment: in a deck for messages, the price column of the row.
    pub(crate) fn segment_price(&self) -> Money {
        match self.form() {
            FoundForm::Plain(step) => step.price,
            // Decks for messages have neither windows nor steps; for any other deck the highest price is the safe one.
            FoundForm::Windows(_, windows) => {
                windows.iter().flatten().map(|step| step.price).max().unwrap_or(Money::ZERO)
            }
        }
    }

    pub(crate) fn form(&self) -> FoundForm<'a> {
        let tariff = self.tariff;
        let step = |start, slot: Slot| FoundStep {
            start,
            price: slot.price,
            terms: &tariff.terms[slot.terms as usize],
        };
        match self.rate {
            Rate::Plain(slot) => FoundForm::Plain(step(0, slot)),
            Rate::Scheduled(period) => {
                let steps =
                    |window: &Window| window.steps.iter().map(|(start, slot)| step(*start, *slot)).collect();
                match &*period.windows {
                    [window] if window.steps.len() == 1 => FoundForm::Plain(step(0, window.steps[0].1)),
                    windows => FoundForm::Windows(&period.week, windows.iter().map(steps).collect()),
                }
            }
        }
    }
}

impl Tariff {
    /// How many prefixes there are.
    pub fn prefixes(&self) -> usize {
        self.slots.len()
    }

    /// How many rows it was compiled from.
    pub const fn row_count(&self) -> usize {
        self.rows
    }

    /// The index of its prefixes.
    pub const fn index(&self) -> &PrefixIndex {
        &self.index
    }

    /// Bytes of the layout beyond the index: 16 a prefix, and what prefixes with several rows need.
    pub fn heap_bytes(&self) -> usize {
        let window = |window: &Window| size_of::<Window>() + size_of_val(&*window.steps);
        let period = |period: &Period| size_of::<Period>() + period.windows.iter().map(window).sum::<usize>();
        let schedule =
            |schedule: &Schedule| size_of::<Schedule>() + schedule.iter().map(period).sum::<usize>();
        let names =
            self.destinations.iter().map(|name| size_of::<Arc<str>>() + 16 + name.len()).sum::<usize>();
        size_of_val(&*self.slots)
            + size_of_val(&*self.terms)
            + names
            + self.schedules.iter().map(schedule).sum::<usize>()
    }

    /// The rate of the longest prefix that the number begins with and that has a rate valid at this instant (dates
    /// are midnight in `zone`). Of several rates of that prefix that hold, the one that began last wins, then the
    /// one that ends first.
    pub fn find(&self, number: E164, at: Timestamp, zone: &TimeZone) -> Option<FoundRate<'_>> {
        self.find_digits(number.value(), number.digits(), at, zone)
    }

    /// The rate of numbers that begin with this prefix and with no longer one: its own, or where it has none at this
    /// instant that of the nearest shorter prefix that has.
    pub fn find_prefix(&self, prefix: Prefix, at: Timestamp, zone: &TimeZone) -> Option<FoundRate<'_>> {
        self.find_digits(prefix.value(), prefix.digits(), at, zone)
    }

    pub(crate) fn find_digits(
        &self,
        value: u64,
        digits: u8,
        at: Timestamp,
        zone: &TimeZone,
    ) -> Option<FoundRate<'_>> {
        let (position, prefix) = self.index.lookup_digits(value, digits)?;
        self.rate_at(position, prefix, at, zone).or_else(|| {
            let mut shorter = self.index.ancestors(position);
            shorter.find_map(|(position, prefix)| self.rate_at(position, prefix, at, zone))
        })
    }

    pub(super) fn rate_at(
        &self,
        position: u32,
        prefix: Prefix,
        at: Timestamp,
        zone: &TimeZone,
    ) -> Option<FoundRate<'_>> {
        let slot = *self.slots.get(position as usize)?;
        let rate = if slot.terms & MANY == 0 {
            Rate::Plain(slot)
        } else {
            let schedule = self.schedules.get((slot.terms & !MANY) as usize)?;
            let holding = schedule.iter().filter(|period| period.holds(at, zone));
            Rate::Scheduled(holding.max_by_key(|period| period.precedence(zone))?)
        };
        Some(FoundRate { tariff: self, prefix, rate })
    }

    /// The next instant at which a rate begins or ends to hold; `None` where nothing changes any more.
    pub fn next_change(&self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let periods = self.schedules.iter().flatten();
        let bounds = periods.flat_map(|period| [period.valid_from, period.valid_until]).flatten();
        bounds.map(|bound| bound.instant(zone)).filter(|instant| *instant > at).min()
    }

    /// All rows in the order of export: by prefix, validity, window and step.
    pub fn rows(&self) -> impl Iterator<Item = RateRow> + '_ {
        self.index.iter().zip(&self.slots).flat_map(|(prefix, slot)| self.rows_of_slot(prefix, *slot))
    }

    /// The rows of exactly this prefix.
    pub fn rows_of(&self, prefix: Prefix) -> Vec<RateRow> {
        let slot = self.index.position(prefix).and_then(|position| self.slots.get(position as usize));
        slot.map(|slot| self.rows_of_slot(prefix, *slot)).unwrap_or_default()
    }

    fn rows_of_slot(&self, prefix: Prefix, slot: Slot) -> Vec<RateRow> {
        if slot.terms & MANY == 0 {
            return vec![self.row(prefix, slot)];
        }
        let mut rows = Vec::new();
        for period in self.schedules.get((slot.terms & !MANY) as usize).into_iter().flatten() {
            for window in &period.windows {
                let Opening { days, from, to } = window.opening;
                rows.extend(window.steps.iter().map(|(start, slot)| RateRow {
                    step_start: *start,
                    days,
                    from_minute: from,
                    to_minute: to,
                    valid_from: period.valid_from,
                    valid_until: period.valid_until,
                    ..self.row(prefix, *slot)
                }));
            }
        }
        rows
    }

    fn row(&self, prefix: Prefix, slot: Slot) -> RateRow {
        let Terms { head, increment, blocked } = self.terms[slot.terms as usize];
        RateRow {
            destination: (*self.destinations[slot.destination as usize]).into(),
            connect_fee: head.connect_fee,
            initial_block: head.initial_block,
            increment,
            free_below: head.free_below,
            additional_time: head.additional_time,
            min_charge: head.min_charge,
            max_charge: head.max_charge,
            blocked,
            ..RateRow::new(0, prefix, slot.price)
        }
    }
}
