//! Longest-prefix lookup over digit strings.
//!
//! A [`PrefixIndex`] is built once from a deck's prefixes and never changes. The value of a prefix is its
//! position in the sorted list, so whatever belongs to it lies in an array beside the index.
//!
//! A digit string sorts as a number: its digits moved left to fifteen decimal places, then its length. The
//! prefixes that cover a number are then the predecessor of that number among the sorted prefixes, or prefixes
//! that enclose it. So a lookup is a jump (a table over equal ranges of the sorted space), a search among the few
//! prefixes that lie in the range, and a walk up the enclosing ones, most of which are neighbours in memory. A
//! prefix costs 12 bytes and its share of the table 4.
//!
//! ```
//! use tollgate_rating::prefix::{Prefix, PrefixIndex};
//!
//! let deck = ["49", "49151", "1"].map(|digits| digits.parse::<Prefix>().unwrap());
//! let index = PrefixIndex::build(deck).unwrap();
//! let (position, prefix) = index.lookup_digits(4_915_112_345_678, 13).unwrap();
//! assert_eq!(prefix.to_string(), "49151");
//! let shorter: Vec<_> = index.ancestors(position).map(|(_, prefix)| prefix.to_string()).collect();
//! assert_eq!(shorter, ["49"]);
//! ```

use core::{fmt, iter, num::NonZeroU64, str::FromStr};

/// The most digits a prefix or a number can have (ITU-T E.164, section 6).
pub const MAX_DIGITS: u8 = 15;

/// The powers of ten up to 10^15.
const POWERS: [u64; MAX_DIGITS as usize + 1] = {
    let mut powers = [1; MAX_DIGITS as usize + 1];
    let mut exponent = 1;
    while exponent < powers.len() {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
};

/// Bits of a key that hold the length.
const LENGTH_BITS: u32 = 4;
/// Those bits.
const LENGTH_MASK: u64 = (1 << LENGTH_BITS) - 1;

/// A string of 1 to 15 digits that numbers may begin with. Leading zeros count.
///
/// Ordered as text is: `1` before `10` before `100` before `11` before `2`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(
    /// The digits moved left to 15 decimal places, then four bits of length (never 0, so never zero as a whole).
    NonZeroU64,
);

/// Why a text is no [`Prefix`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PrefixError {
    /// There is no digit.
    #[error("no digits")]
    Empty,
    /// There are more than [`MAX_DIGITS`] digits.
    #[error("more than {MAX_DIGITS} digits")]
    TooLong,
    /// A character is none of `0` to `9`.
    #[error("{0:?} is not a digit")]
    NotADigit(char),
}

/// The sort key of a digit string, if it is one.
const fn key(value: u64, len: u8) -> Option<NonZeroU64> {
    if len == 0 || len > MAX_DIGITS || value >= POWERS[len as usize] {
        return None;
    }
    NonZeroU64::new((value * POWERS[(MAX_DIGITS - len) as usize]) << LENGTH_BITS | len as u64)
}

/// How many digits the string behind a key has: 1 to 15.
const fn key_len(key: u64) -> u8 {
    (key & LENGTH_MASK) as u8
}

/// The digits behind a key, at 15 decimal places.
const fn key_aligned(key: u64) -> u64 {
    key >> LENGTH_BITS
}

/// Whether the string `prefix` is a beginning of `number`, or would be if it is not longer.
fn reaches(prefix: u64, number: u64) -> bool {
    let width = POWERS[usize::from(MAX_DIGITS - key_len(prefix))];
    key_aligned(number).wrapping_sub(key_aligned(prefix)) < width
}

impl Prefix {
    /// The prefix of `len` digits whose decimal value is `value`; `None` unless 1 ≤ `len` ≤ 15 and `value` has at
    /// most `len` digits.
    pub const fn new(value: u64, len: u8) -> Option<Self> {
        match key(value, len) {
            Some(key) => Some(Self(key)),
            None => None,
        }
    }

    /// The digits read as a decimal number.
    pub const fn value(self) -> u64 {
        key_aligned(self.0.get()) / POWERS[(MAX_DIGITS - self.digits()) as usize]
    }

    /// How many digits there are: 1 to 15.
    pub const fn digits(self) -> u8 {
        key_len(self.0.get())
    }

    /// Whether `other` begins with this prefix. A prefix covers itself.
    pub fn covers(self, other: Self) -> bool {
        self.digits() <= other.digits() && reaches(self.0.get(), other.0.get())
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    /// Reads 1 to 15 digits and nothing else.
    fn from_str(text: &str) -> Result<Self, PrefixError> {
        if let Some(other) = text.chars().find(|c| !c.is_ascii_digit()) {
            return Err(PrefixError::NotADigit(other));
        }
        let len =
            u8::try_from(text.len()).ok().filter(|len| *len <= MAX_DIGITS).ok_or(PrefixError::TooLong)?;
        let value = text.bytes().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
        Self::new(value, len).ok_or(PrefixError::Empty)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$}", self.value(), width = usize::from(self.digits()))
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prefix({self})")
    }
}

/// Why a list of prefixes makes no [`PrefixIndex`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IndexError {
    /// A prefix is there twice.
    #[error("prefix {0} is there twice")]
    Duplicate(Prefix),
    /// There are more prefixes than positions (2^32 − 1).
    #[error("too many prefixes")]
    TooMany,
}

/// The parent of a prefix that nothing encloses; no position is as large.
const NO_PARENT: u32 = u32::MAX;

/// Up to so many neighbours are counted through; more are halved first.
const SCANNED: usize = 8;

/// One prefix: its key in two halves, so that an entry takes 12 bytes and not 16, and its nearest encloser.
#[derive(Clone, Copy)]
struct Entry {
    low: u32,
    high: u32,
    parent: u32,
}

impl Entry {
    fn key(self) -> u64 {
        u64::from(self.high) << 32 | u64::from(self.low)
    }
}

/// An immutable set of prefixes that finds the longest one a number begins with.
///
/// At most 16 bytes a prefix, in two allocations.
pub struct PrefixIndex {
    /// The prefixes in order.
    entries: Box<[Entry]>,
    /// For each bucket the first entry at or after its begin.
    starts: Box<[u32]>,
    buckets: Buckets,
}

/// The division of the sorted space into ranges of equal width, from the first prefix to the last.
struct Buckets {
    /// The aligned digits of the first prefix.
    base: u64,
    /// Buckets per unit of aligned digits, times 2^64.
    scale: u64,
    /// The last bucket, which reaches to the end of the space.
    last: usize,
}

impl Buckets {
    /// As many buckets as entries. A few to each make the search short, and more would not fit in the 16 bytes.
    fn over(first: u64, last: u64, count: usize) -> Self {
        let span = u128::from(key_aligned(last) - key_aligned(first)) + 1;
        let scale = u64::try_from(((count as u128) << 64) / span).unwrap_or(u64::MAX);
        Self { base: key_aligned(first), scale, last: count.saturating_sub(1) }
    }

    /// The bucket of a key that is not before the first; never decreasing as the key grows.
    #[expect(clippy::cast_possible_truncation, reason = "the high half of a product of two 64-bit numbers")]
    fn of(&self, key: u64) -> usize {
        let scaled = (u128::from(key_aligned(key) - self.base) * u128::from(self.scale)) >> 64;
        (scaled as usize).min(self.last)
    }
}

impl PrefixIndex {
    /// Indexes the prefixes, in any order.
    pub fn build(prefixes: impl IntoIterator<Item = Prefix>) -> Result<Self, IndexError> {
        let mut sorted: Vec<Prefix> = prefixes.into_iter().collect();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(IndexError::Duplicate(pair[0]));
        }
        u32::try_from(sorted.len()).ok().filter(|count| *count < NO_PARENT).ok_or(IndexError::TooMany)?;
        let (first, last) = match (sorted.first(), sorted.last()) {
            (Some(first), Some(last)) => (first.0.get(), last.0.get()),
            _ => (0, 0),
        };
        let buckets = Buckets::over(first, last, sorted.len());
        let mut entries: Vec<Entry> = Vec::with_capacity(sorted.len());
        let mut starts: Vec<u32> = Vec::with_capacity(sorted.len());
        for (position, prefix) in (0u32..).zip(sorted) {
            let key = prefix.0.get();
            let bucket = buckets.of(key);
            starts.resize(starts.len().max(bucket + 1), position);
            // In this order whatever encloses a prefix is the one before it, or encloses that one.
            let mut parent = position.checked_sub(1).unwrap_or(NO_PARENT);
            while let Some(candidate) = entries.get(parent as usize) {
                if reaches(candidate.key(), key) {
                    break;
                }
                parent = candidate.parent;
            }
            #[expect(clippy::cast_possible_truncation, reason = "split in two halves")]
            entries.push(Entry { low: key as u32, high: (key >> 32) as u32, parent });
        }
        starts.resize(entries.len(), u32::try_from(entries.len()).unwrap_or(NO_PARENT));
        Ok(Self { entries: entries.into_boxed_slice(), starts: starts.into_boxed_slice(), buckets })
    }

    /// How many prefixes there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What the index occupies beyond itself, in bytes: at most 16 a prefix.
    pub fn heap_bytes(&self) -> usize {
        size_of_val(&*self.entries) + size_of_val(&*self.starts)
    }

    /// The prefix at a position.
    pub fn prefix(&self, position: u32) -> Option<Prefix> {
        let entry = self.entries.get(position as usize)?;
        NonZeroU64::new(entry.key()).map(Prefix)
    }

    /// All prefixes in order, so that the n-th has position n.
    pub fn iter(&self) -> impl Iterator<Item = Prefix> + '_ {
        self.entries.iter().filter_map(|entry| NonZeroU64::new(entry.key()).map(Prefix))
    }

    /// The position of exactly this prefix.
    pub fn position(&self, prefix: Prefix) -> Option<u32> {
        let position = self.predecessor(prefix.0.get())?;
        (self.prefix(position) == Some(prefix)).then_some(position)
    }

    /// The longest prefix that a number begins with, and its position. The number is given as its decimal value
    /// and its count of digits; what is no string of 1 to 15 digits begins with nothing.
    pub fn lookup_digits(&self, value: u64, digits: u8) -> Option<(u32, Prefix)> {
        self.longest(key(value, digits)?.get())
    }

    /// The prefixes that enclose the one at `position`, nearest first: every number that begins with it begins
    /// with them too.
    pub fn ancestors(&self, position: u32) -> impl Iterator<Item = (u32, Prefix)> + '_ {
        let parent = |position: u32| self.entries.get(position as usize).map(|entry| entry.parent);
        iter::successors(parent(position), move |position| parent(*position))
            .map_while(|position| self.prefix(position).map(|prefix| (position, prefix)))
    }

    fn longest(&self, number: u64) -> Option<(u32, Prefix)> {
        let mut position = self.predecessor(number)?;
        loop {
            // Ends: a parent lies before its child, and what nothing encloses has a parent that is no position.
            let entry = self.entries.get(position as usize)?;
            if reaches(entry.key(), number) {
                return NonZeroU64::new(entry.key()).map(|key| (position, Prefix(key)));
            }
            position = entry.parent;
        }
    }

    /// The position of the last key that is not after this one.
    #[expect(clippy::cast_possible_truncation, reason = "there are fewer than 2^32 entries")]
    fn predecessor(&self, key: u64) -> Option<u32> {
        if key_aligned(key) < self.buckets.base {
            return None;
        }
        let bucket = self.buckets.of(key);
        let mut from = *self.starts.get(bucket)? as usize;
        let mut until = self.starts.get(bucket + 1).map_or(self.entries.len(), |start| *start as usize);
        while until - from > SCANNED {
            let middle = from.midpoint(until);
            if self.entries[middle].key() <= key { from = middle } else { until = middle }
        }
        let not_after = self.entries[from..until].iter().take_while(|entry| entry.key() <= key).count();
        (from + not_after).checked_sub(1).map(|position| position as u32)
    }
}

impl fmt::Debug for PrefixIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrefixIndex")
            .field("len", &self.len())
            .field("heap_bytes", &self.heap_bytes())
            .finish()
    }
}
