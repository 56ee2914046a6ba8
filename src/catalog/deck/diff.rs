//! The differences between two decks.

use std::cmp::Ordering;

use tollgate_rating::{
    prefix::Prefix,
    tariff::{Days, RateRow, ValidityBound},
};

/// A rate whose terms change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangedRow {
    /// As it is.
    pub old: RateRow,
    /// As it will be.
    pub new: RateRow,
}

/// The difference of two decks, in the order of prefixes.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Diff {
    /// Rows that only the new deck has.
    pub added: Vec<RateRow>,
    /// Rows that only the old deck has.
    pub removed: Vec<RateRow>,
    /// Rows of both whose price or terms differ.
    pub changed: Vec<ChangedRow>,
    /// How many rows are the same in both.
    pub unchanged: usize,
}

impl Diff {
    /// Reports whether the decks are equal.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// The key of a rate: its prefix, its validity, its window and its step.
type Key = (Prefix, Option<ValidityBound>, Option<ValidityBound>, Days, u16, u16, u32);

fn key(row: &RateRow) -> Key {
    let RateRow { prefix, valid_from, valid_until, days, from_minute, to_minute, step_start, .. } = row;
    (*prefix, *valid_from, *valid_until, *days, *from_minute, *to_minute, *step_start)
}

fn sorted(rows: impl IntoIterator<Item = RateRow>) -> Vec<RateRow> {
    let mut rows: Vec<RateRow> = rows.into_iter().map(|row| RateRow { line: 0, ..row }).collect();
    rows.sort_by_key(key);
    rows
}

/// Compares two decks that were each compiled, so that no rate occurs twice in one.
pub fn diff(old: impl IntoIterator<Item = RateRow>, new: impl IntoIterator<Item = RateRow>) -> Diff {
    let mut diff = Diff::default();
    let mut old = sorted(old).into_iter().peekable();
    let mut new = sorted(new).into_iter().peekable();
    loop {
        let order = match (old.peek(), new.peek()) {
            (Some(old), Some(new)) => key(old).cmp(&key(new)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return diff,
        };
        match order {
            Ordering::Less => diff.removed.extend(old.next()),
            Ordering::Greater => diff.added.extend(new.next()),
            Ordering::Equal => match (old.next(), new.next()) {
                (Some(old), Some(new)) if old != new => diff.changed.push(ChangedRow { old, new }),
                _ => diff.unchanged += 1,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollgate_rating::Money;

    fn row(prefix: &str, nanos: i64) -> RateRow {
        RateRow::new(9, prefix.parse().unwrap(), Money::from_nanos(nanos))
    }

    #[test]
    fn rows_are_added_removed_changed_or_left() {
        let found =
            diff([row("49", 1), row("44", 1), row("1", 5)], [row("44", 2), row("49", 1), row("33", 1)]);
        let prefixes = |rows: &[RateRow]| rows.iter().map(|row| row.prefix.to_string()).collect::<Vec<_>>();
        assert_eq!(prefixes(&found.added), ["33"]);
        assert_eq!(prefixes(&found.removed), ["1"]);
        assert_eq!(found.unchanged, 1);
        let [change] = &found.changed[..] else { panic!("one change") };
        assert_eq!((change.old.price_per_minute.nanos(), change.new.price_per_minute.nanos()), (1, 2));
        assert!(!found.is_empty());
    }

    #[test]
    fn lines_do_not_matter() {
        let moved = RateRow { line: 77, ..row("49", 1) };
        assert!(diff([row("49", 1)], [moved]).is_empty());
    }

    #[test]
    fn another_window_is_another_rate() {
        let night = RateRow { from_minute: 1200, to_minute: 480, ..row("49", 1) };
        let found = diff([row("49", 1)], [night]);
        assert_eq!((found.added.len(), found.removed.len(), found.changed.len()), (1, 1, 0));
    }
}
