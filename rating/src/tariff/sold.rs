//! The prefixes that a deck sells at an instant, laid out for searching: by the beginning of a prefix and by a part of a
//! destination's name.
//!
//! It is made once for all plans that sell the deck in one time zone, and holds until a rate begins or ends to hold.
//! Twelve bytes a prefix, and each destination's name once more in small letters.

use super::compiled::{FoundRate, Rate, Tariff};
use crate::{money::Money, prefix::Prefix};
use core::ops::Range;
use jiff::{Timestamp, tz::TimeZone};
use memchr::memmem::Finder;

/// The number of a destination of the deck.
pub(crate) type Destination = u32;

/// The prefixes that a deck sells.
#[derive(Debug)]
pub struct SoldPrefixes {
    /// From when and until when it is right.
    from: Timestamp,
    until: Timestamp,
    /// In order.
    prefixes: Box<[Prefix]>,
    /// Places in `prefixes`, those of one destination together and in order.
    by_destination: Box<[u32]>,
    /// Where in `by_destination` each destination begins, and where the last one ends.
    begins: Box<[u32]>,
    names: Names,
    /// The lowest price of a message's segment, where the deck is one for messages.
    lowest: Option<Money>,
}

/// The destinations' names in small letters, one after another.
#[derive(Debug)]
struct Names {
    text: String,
    /// Where each name ends.
    ends: Box<[usize]>,
}

impl Names {
    fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let (mut text, mut ends) = (String::new(), Vec::new());
        for name in names {
            text.push_str(&name.to_lowercase());
            ends.push(text.len());
        }
        Self { text, ends: ends.into_boxed_slice() }
    }

    /// The names that contain a text, which is not empty, in order.
    fn containing(&self, wanted: &str) -> Vec<Destination> {
        let finder = Finder::new(wanted);
        let (mut found, mut from) = (Vec::new(), 0);
        // From `from` on nothing has been looked at.
        while let Some(at) = self.text.as_bytes().get(from..).and_then(|rest| finder.find(rest)) {
            let at = from + at;
            let name = self.ends.partition_point(|end| *end <= at);
            let Some(end) = self.ends.get(name) else { break };
            if at + wanted.len() <= *end {
                found.push(u32::try_from(name).unwrap_or(u32::MAX));
                from = *end;
            } else {
                // The end of one name and the beginning of the next.
                from = at + 1;
            }
        }
        found
    }
}

/// A set of places among the sold prefixes.
pub(crate) enum Places {
    /// All of a range.
    Range(Range<usize>),
    /// A bit each.
    Bits(Box<[u64]>),
}

impl Places {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Range(range) => range.len(),
            Self::Bits(words) => words.iter().map(|word| word.count_ones() as usize).sum(),
        }
    }

    /// How many there are before a place.
    pub(crate) fn before(&self, place: usize) -> usize {
        match self {
            Self::Range(range) => place.clamp(range.start, range.end) - range.start,
            Self::Bits(words) => {
                let (whole, rest) = words.split_at((place / 64).min(words.len()));
                let part = rest.first().map_or(0, |word| word & ((1 << (place % 64)) - 1));
                whole.iter().map(|word| word.count_ones() as usize).sum::<usize>()
                    + part.count_ones() as usize
            }
        }
    }

    /// The places from the one on that has `skipped` others before it.
    pub(crate) fn after(&self, skipped: usize) -> Box<dyn Iterator<Item = usize> + '_> {
        match self {
            Self::Range(range) => Box::new(range.clone().skip(skipped)),
            Self::Bits(words) => {
                let mut left = skipped;
                let whole = words.iter().take_while(|word| {
                    let ones = word.count_ones() as usize;
                    let passes = ones <= left;
                    if passes {
                        left -= ones;
                    }
                    passes
                });
                let first = whole.count();
                let places = words.iter().enumerate().skip(first).flat_map(|(at, word)| {
                    (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * 64 + bit)
                });
                Box::new(places.skip(left))
            }
        }
    }
}

impl Tariff {
    /// The prefixes that the deck sells at this instant: those that have a rate of their own now which is not blocked at all
    /// times.
    ///
    /// It looks at every prefix: make it when a deck is published, not when one is searched.
    pub fn sold(&self, at: Timestamp, zone: &TimeZone) -> SoldPrefixes {
        let (from, until) = self.period(at, zone);
        let mut lowest: Option<Money> = None;
        let sold: Vec<(Prefix, Destination)> = (0..)
            .zip(self.index.iter())
            .filter_map(|(position, prefix)| {
                let found = self.rate_at(position, prefix, at, zone)?;
                if found.is_blocked() {
                    return None;
                }
                let price = found.segment_price();
                lowest = Some(lowest.map_or(price, |lowest| lowest.min(price)));
                Some((prefix, found.destination_number()))
            })
            .collect();
        let mut begins = vec![0_u32; self.destinations.len() + 1];
        for (_, destination) in &sold {
            begins[*destination as usize + 1] += 1;
        }
        for number in 1..begins.len() {
            begins[number] += begins[number - 1];
        }
        let (mut next, mut by_destination) = (begins.clone(), vec![0_u32; sold.len()]);
        for (place, (_, destination)) in (0..).zip(&sold) {
            let at = &mut next[*destination as usize];
            by_destination[*at as usize] = place;
            *at += 1;
        }
        SoldPrefixes {
            from,
            until,
            prefixes: sold.into_iter().map(|(prefix, _)| prefix).collect(),
            by_destination: by_destination.into_boxed_slice(),
            begins: begins.into_boxed_slice(),
            names: Names::new(self.destinations.iter().map(|name| &**name)),
            lowest,
        }
    }

    /// From when and until when the same rates hold as at this instant.
    fn period(&self, at: Timestamp, zone: &TimeZone) -> (Timestamp, Timestamp) {
        let periods = self.schedules.iter().flatten();
        let bounds = periods.flat_map(|period| [period.valid_from, period.valid_until]).flatten();
        bounds.map(|bound| bound.instant(zone)).fold(
            (Timestamp::MIN, Timestamp::MAX),
            |(from, until), bound| {
                if bound <= at { (from.max(bound), until) } else { (from, until.min(bound)) }
            },
        )
    }
}

impl FoundRate<'_> {
    /// The number of its destination.
    pub(crate) fn destination_number(&self) -> Destination {
        match self.rate {
            Rate::Plain(slot) => slot.destination,
            Rate::Scheduled(period) => period.windows[0].steps[0].1.destination,
        }
    }
}

impl SoldPrefixes {
    /// Reports whether it is right at an instant.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && (at < self.until || self.until == Timestamp::MAX)
    }

    /// From when and until when it is right, where it ever begins or ends to be.
    pub(crate) fn period(&self) -> (Timestamp, Option<Timestamp>) {
        (self.from, Some(self.until).filter(|until| *until != Timestamp::MAX))
    }

    /// The lowest price of a message's segment in the deck.
    pub(crate) const fn lowest(&self) -> Option<Money> {
        self.lowest
    }

    /// The prefixes in order.
    pub(crate) fn prefixes(&self) -> &[Prefix] {
        &self.prefixes
    }

    /// Reports whether a prefix is among them.
    pub(crate) fn contains(&self, prefix: Prefix) -> bool {
        self.prefixes.binary_search(&prefix).is_ok()
    }

    /// The places of the prefixes that begin with this one.
    fn covered(&self, beginning: Prefix) -> Range<usize> {
        let start = self.prefixes.partition_point(|prefix| *prefix < beginning);
        let covered = self.prefixes[start..].partition_point(|prefix| beginning.covers(*prefix));
        start..start + covered
    }

    /// The places of all of them.
    pub(crate) fn all(&self) -> Places {
        Places::Range(0..self.prefixes.len())
    }

    /// The destinations whose names contain a text in small letters, in the order of their numbers.
    pub(crate) fn named(&self, wanted: &str) -> Vec<Destination> {
        self.names.containing(wanted)
    }

    /// The places of the prefixes that begin with `beginning` or belong to one of the destinations.
    pub(crate) fn places(&self, beginning: Option<Prefix>, destinations: &[Destination]) -> Places {
        let covered = beginning.map_or(0..0, |beginning| self.covered(beginning));
        let named = |destination: Destination| {
            let bound = |number: usize| self.begins.get(number).map_or(0, |at| *at as usize);
            let number = destination as usize;
            self.by_destination.get(bound(number)..bound(number + 1)).unwrap_or_default()
        };
        if destinations.iter().all(|destination| named(*destination).is_empty()) {
            return Places::Range(covered);
        }
        let mut words = vec![0_u64; self.prefixes.len().div_ceil(64)].into_boxed_slice();
        let further = destinations.iter().flat_map(|destination| named(*destination));
        for place in covered.chain(further.map(|place| *place as usize)) {
            words[place / 64] |= 1 << (place % 64);
        }
        Places::Bits(words)
    }

    /// Its heap memory, in bytes.
    pub fn heap_bytes(&self) -> usize {
        size_of_val(&*self.prefixes)
            + size_of_val(&*self.by_destination)
            + size_of_val(&*self.begins)
            + size_of_val(&*self.names.ends)
            + self.names.text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_that_spans_two_names_is_in_neither() {
        let names = Names::new(["Ab", "bA", "", "ab", "ÖB"].into_iter());
        assert_eq!(names.containing("ab"), [0, 3]);
        assert_eq!(names.containing("bb"), [0_u32; 0]);
        assert_eq!(names.containing("ba"), [1]);
        assert_eq!(names.containing("öb"), [4]);
        assert_eq!(names.containing("b"), [0, 1, 3, 4]);
    }

    proptest! {
        #[test]
        fn places_are_counted_and_skipped_as_a_plain_list_of_them_is(
            set in prop::collection::btree_set(0..400_usize, 0..120),
            place in 0..500_usize, skipped in 0..130_usize, range in (0..200_usize, 0..200_usize),
        ) {
            let mut words = vec![0_u64; 7].into_boxed_slice();
            for place in &set {
                words[place / 64] |= 1 << (place % 64);
            }
            let range = range.0..range.0 + range.1;
            for (places, list) in
                [(Places::Bits(words), set.into_iter().collect::<Vec<_>>()), (Places::Range(range.clone()), range.collect())]
            {
                prop_assert_eq!(places.count(), list.len());
                prop_assert_eq!(places.before(place), list.iter().filter(|at| **at < place).count());
                prop_assert_eq!(places.after(skipped).collect::<Vec<_>>(), list.into_iter().skip(skipped).collect::<Vec<_>>());
            }
        }
    }
}
