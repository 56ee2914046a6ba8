//! Longest-prefix lookup over digit strings.
//!
//! A [`PrefixIndex`] is built once from a deck's prefixes and never changes. The value of a prefix is its
//! position in the sorted list, so whatever belongs to it lies in an array beside the index.
//!
//! A digit string sorts as a number: its digits moved left to fifteen decimal places, then its length. The sorted
//! space is cut into cells of equal width, so that a prefix either covers a cell as a whole or lies within one. A
//! cell of 16 bytes knows the longest prefix that covers it, where the prefixes within it begin, and into which of
//! its 64 parts any of them reaches. So a lookup is one jump to the cell, which has the answer for most random
//! numbers, and otherwise a search among the few prefixes within it. A prefix costs 8 bytes, and there is at most a
//! cell to two prefixes.
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

use core::{fmt, hint::select_unpredictable, iter, num::NonZeroU64, str::FromStr};

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

/// Division by a constant, as a multiplication.
#[derive(Clone, Copy)]
struct Divisor {
    reciprocal: u64,
    shift: u32,
}

impl Divisor {
    /// For a divisor of at most 10^15, not 0. The reciprocal is 2^(63 + shift) / divisor, rounded up, and fits in 64
    /// bits because 2^shift is the divisor or the next power of two above it.
    #[expect(clippy::cast_possible_truncation, reason = "at most 2^64 - 1, as said")]
    const fn new(divisor: u64) -> Self {
        let shift = divisor.next_power_of_two().trailing_zeros();
        Self { reciprocal: (1_u128 << (63 + shift)).div_ceil(divisor as u128) as u64, shift }
    }

    /// The whole part of the quotient, exact for a dividend under 2^63: rounding the reciprocal up adds less than
    /// dividend / 2^63 / divisor to the quotient, which is less than what is missing to the next whole.
    const fn divide(self, dividend: u64) -> u64 {
        (((dividend << 1) as u128 * self.reciprocal as u128) >> 64) as u64 >> self.shift
    }
}

/// Division by each of [`POWERS`].
const DIVISORS: [Divisor; MAX_DIGITS as usize + 1] = {
    let mut divisors = [Divisor::new(1); MAX_DIGITS as usize + 1];
    let mut exponent = 1;
    while exponent < divisors.len() {
        divisors[exponent] = Divisor::new(POWERS[exponent]);
        exponent += 1;
    }
    divisors
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

/// How much of the sorted space begins with the string behind a key.
const fn key_width(key: u64) -> u64 {
    POWERS[(MAX_DIGITS - key_len(key)) as usize]
}

/// Reports whether the string `prefix` is a beginning of `number`, or would be if it is not longer.
const fn reaches(prefix: u64, number: u64) -> bool {
    key_aligned(number).wrapping_sub(key_aligned(prefix)) < key_width(prefix)
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
        DIVISORS[(MAX_DIGITS - self.digits()) as usize].divide(key_aligned(self.0.get()))
    }

    /// How many digits there are: 1 to 15.
    pub const fn digits(self) -> u8 {
        key_len(self.0.get())
    }

    /// The first `len` digits, of at least that many.
    fn truncated(number: u64, len: u8) -> Option<Self> {
        key(DIVISORS[usize::from(MAX_DIGITS.checked_sub(len)?)].divide(key_aligned(number)), len).map(Self)
    }

    /// Reports whether `other` begins with this prefix. A prefix covers itself.
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
    /// There are more prefixes than positions (2^28 − 1).
    #[error("too many prefixes")]
    TooMany,
}

/// Most prefixes of an index: a position and a length share 32 bits.
const MAX_PREFIXES: usize = (1 << 28) - 1;

/// Most cells with prefixes within them. Narrower cells would make the search within a cell shorter; but more of them
/// than stay in the processor's caches cost more than that (measured at 1,000,000 prefixes). Cells of parts of the
/// space where there is nothing are not visited, and do no harm.
const MAX_FILLED_CELLS: usize = 1 << 18;

/// A prefix: its key, and below it ten bits that lead to the nearest prefix that encloses it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry(u64);

impl Entry {
    const STEP_BITS: u32 = 10;
    /// The encloser lies farther back than a step can say.
    const FAR: u32 = (1 << Self::STEP_BITS) - 1;

    fn new(key: u64, step: u32) -> Self {
        Self(key << Self::STEP_BITS | u64::from(step))
    }

    /// The last entry a key can have.
    fn bound(key: u64) -> Self {
        Self::new(key, Self::FAR)
    }

    fn key(self) -> u64 {
        self.0 >> Self::STEP_BITS
    }

    fn prefix(self) -> Option<Prefix> {
        NonZeroU64::new(self.key()).map(Prefix)
    }

    /// How many positions back the encloser is; 0 is none, or none but what covers the cell.
    #[expect(clippy::cast_possible_truncation, reason = "ten bits")]
    fn step(self) -> u32 {
        self.0 as u32 & Self::FAR
    }
}

/// A range of the sorted space.
#[derive(Clone, Copy)]
struct Cell {
    /// The first position that is not before the cell and does not cover it.
    first: u32,
    /// The longest prefix that covers the cell.
    cover: Cover,
    /// For each 64th of the cell, the first in the lowest bit, whether a prefix reaches into it that does not cover
    /// the cell. Where none does the answer is `cover`.
    parts: u64,
}

/// Parts of a cell.
const PARTS: u64 = 64;

/// A position and the length of the prefix there, or none (length 0).
#[derive(Clone, Copy, PartialEq, Eq)]
struct Cover(u32);

impl Cover {
    const NONE: Self = Self(0);

    fn new(position: u32, digits: u8) -> Self {
        Self(position << LENGTH_BITS | u32::from(digits))
    }

    fn position(self) -> u32 {
        self.0 >> LENGTH_BITS
    }

    fn digits(self) -> u8 {
        key_len(u64::from(self.0))
    }
}

/// An immutable set of prefixes that finds the longest one a number begins with.
///
/// At most 16 bytes a prefix (24 if there is but one), in two allocations.
pub struct PrefixIndex {
    /// The prefixes in order.
    entries: Box<[Entry]>,
    /// The cells from the first prefix's to the last that a prefix reaches.
    cells: Box<[Cell]>,
    grid: Grid,
}

/// How the sorted space is cut.
#[derive(Clone, Copy)]
struct Grid {
    /// The aligned digits in a cell: 1, 2 or 5 times a power of ten, so that prefixes and cells never overlap in part.
    width: u64,
    by_width: Divisor,
    /// The number of the first cell that is kept.
    first: u64,
}

impl Grid {
    /// The narrowest cells of which there are at most one to two prefixes, and at most [`MAX_FILLED_CELLS`] filled,
    /// for sorted keys that reach as far as `last`.
    fn over(keys: &[u64], last: u64) -> Self {
        let begin = keys.first().map_or(0, |key| key_aligned(*key));
        let fits = |grid: &Self| {
            grid.cell(grid.part(last)) < keys.len() / 2
                && (keys.len() < 2 * MAX_FILLED_CELLS || grid.filled(keys) <= MAX_FILLED_CELLS)
        };
        let widths = POWERS.iter().take(15).flat_map(|power| [1, 2, 5].map(|factor| factor * power));
        widths.map(|width| Self::new(width, begin)).find(fits).unwrap_or_else(|| Self::new(POWERS[15], begin))
    }

    fn new(width: u64, begin: u64) -> Self {
        let by_width = Divisor::new(width);
        Self { width, by_width, first: by_width.divide(begin) }
    }

    /// In how many cells there are prefixes that do not cover them.
    fn filled(self, keys: &[u64]) -> usize {
        let mut last = usize::MAX;
        let within = keys.iter().filter(|key| !self.is_wide(**key));
        let cells = within.map(|key| self.cell(self.part(key_aligned(*key))));
        cells.filter(|cell| core::mem::replace(&mut last, *cell) != *cell).count()
    }

    /// The part of the space, and with it the cell, in which aligned digits lie; never less for more.
    const fn part(self, aligned: u64) -> u64 {
        self.by_width.divide(aligned * PARTS)
    }

    /// The place of a part's cell in the list. What lies before the first is past the last.
    const fn cell(self, part: u64) -> usize {
        (part / PARTS).wrapping_sub(self.first) as usize
    }

    /// Reports whether a prefix covers whole cells.
    const fn is_wide(self, key: u64) -> bool {
        key_width(key) >= self.width
    }
}

impl PrefixIndex {
    /// Indexes the prefixes, in any order.
    pub fn build(prefixes: impl IntoIterator<Item = Prefix>) -> Result<Self, IndexError> {
        let mut keys: Vec<u64> = prefixes.into_iter().map(|prefix| prefix.0.get()).collect();
        keys.sort_unstable();
        if let Some(pair) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
            return NonZeroU64::new(pair[0])
                .map_or(Err(IndexError::TooMany), |key| Err(IndexError::Duplicate(Prefix(key))));
        }
        if keys.len() > MAX_PREFIXES {
            return Err(IndexError::TooMany);
        }
        let last = keys.iter().map(|key| key_aligned(*key) + key_width(*key) - 1).max().unwrap_or(0);
        let grid = Grid::over(&keys, last);
        let cells =
            if keys.is_empty() { Box::default() } else { cells(&keys, grid, grid.cell(grid.part(last)) + 1) };
        Ok(Self { entries: entries(keys, grid), cells, grid })
    }

    /// How many prefixes there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Reports whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Heap memory of the index, in bytes: at most 16 a prefix (24 if there is only one).
    pub fn heap_bytes(&self) -> usize {
        size_of_val(&*self.entries) + size_of_val(&*self.cells)
    }

    /// The prefix at a position.
    pub fn prefix(&self, position: u32) -> Option<Prefix> {
        self.entries.get(position as usize)?.prefix()
    }

    /// All prefixes in order, so that the n-th has position n.
    pub fn iter(&self) -> impl Iterator<Item = Prefix> + '_ {
        self.entries.iter().filter_map(|entry| entry.prefix())
    }

    /// The position of exactly this prefix.
    pub fn position(&self, prefix: Prefix) -> Option<u32> {
        let found = self.entries.binary_search_by_key(&prefix.0.get(), |entry| entry.key()).ok()?;
        u32::try_from(found).ok()
    }

    /// The longest prefix that a number begins with, and its position. The number is given as its decimal value
    /// and its count of digits; what is no string of 1 to 15 digits begins with nothing.
    pub fn lookup_digits(&self, value: u64, digits: u8) -> Option<(u32, Prefix)> {
        self.longest(key(value, digits)?.get())
    }

    /// The prefixes that enclose the one at `position`, nearest first: every number that begins with it begins
    /// with them too.
    pub fn ancestors(&self, position: u32) -> impl Iterator<Item = (u32, Prefix)> + '_ {
        iter::successors(self.parent(position), |position| self.parent(*position))
            .map_while(|position| self.prefix(position).map(|prefix| (position, prefix)))
    }

    fn longest(&self, number: u64) -> Option<(u32, Prefix)> {
        let part = self.grid.part(key_aligned(number));
        let at = self.grid.cell(part);
        let cell = *self.cells.get(at)?;
        if cell.parts >> (part % PARTS) & 1 == 0 {
            return self.covering(cell.cover, number);
        }
        // Up to the next cell's first there may be prefixes that cover that cell: all after this number.
        let until = self.cells.get(at + 1).map_or(self.entries.len(), |next| next.first as usize);
        let mut within = self.predecessor(cell.first, until, number);
        while let Some(position) = within {
            // Ends: an encloser lies before what it encloses.
            let entry = *self.entries.get(position as usize)?;
            if reaches(entry.key(), number) {
                return entry.prefix().map(|prefix| (position, prefix));
            }
            within = match entry.step() {
                0 => None,
                Entry::FAR => self.far_parent(entry.key()),
                step => position.checked_sub(step),
            };
        }
        self.covering(cell.cover, number)
    }

    /// The cover of a number's cell, or what encloses it where the number is so short that it lacks digits of it.
    fn covering(&self, cover: Cover, number: u64) -> Option<(u32, Prefix)> {
        if cover == Cover::NONE {
            return None;
        }
        if cover.digits() > key_len(number) {
            return self.ancestors(cover.position()).find(|(_, prefix)| prefix.digits() <= key_len(number));
        }
        Prefix::truncated(number, cover.digits()).map(|prefix| (cover.position(), prefix))
    }

    /// The position of the last key in a range that is not after this one.
    #[expect(clippy::cast_possible_truncation, reason = "there are fewer than 2^28 entries")]
    fn predecessor(&self, first: u32, until: usize, key: u64) -> Option<u32> {
        let bound = Entry::bound(key);
        let mut within = self.entries.get(first as usize..until)?;
        let mut from = first;
        // Halved without a branch on what is found, which no processor could foresee.
        while within.len() > 1 {
            let half = within.len() / 2;
            let (before, after) = within.split_at(half);
            let reached = *after.first()? <= bound;
            from = select_unpredictable(reached, from + half as u32, from);
            within = select_unpredictable(reached, after, before);
        }
        within.first().filter(|entry| **entry <= bound).map(|_| from)
    }

    /// The nearest prefix that encloses the one at `position`.
    fn parent(&self, position: u32) -> Option<u32> {
        let entry = *self.entries.get(position as usize)?;
        match entry.step() {
            Entry::FAR => self.far_parent(entry.key()),
            0 if self.grid.is_wide(entry.key()) => None,
            0 => {
                let cover = self.cells.get(self.grid.cell(self.grid.part(key_aligned(entry.key()))))?.cover;
                (cover != Cover::NONE).then(|| cover.position())
            }
            step => position.checked_sub(step),
        }
    }

    /// The prefix that encloses another, found by trying every beginning of it: seldom needed, for few prefixes have more
    /// than a thousand others between them and the enclosing one.
    #[cold]
    fn far_parent(&self, key: u64) -> Option<u32> {
        (1..key_len(key))
            .rev()
            .filter_map(|len| Prefix::truncated(key, len))
            .find_map(|prefix| self.position(prefix))
    }
}

/// The sorted keys with the way to what encloses each.
fn entries(keys: Vec<u64>, grid: Grid) -> Box<[Entry]> {
    // The prefixes that enclose the present key, shortest first: at most 14 keys, each a beginning of the next.
    let mut enclosing: Vec<(u32, u64)> = Vec::new();
    (0_u32..)
        .zip(keys)
        .map(|(position, key)| {
            while enclosing.pop_if(|(_, wider)| !reaches(*wider, key)).is_some() {}
            // The prefix that covers the cell is known to the cell, and may be far away.
            let parent = enclosing.last().filter(|(_, wider)| grid.is_wide(key) || !grid.is_wide(*wider));
            let step = parent.map_or(0, |(parent, _)| (position - parent).min(Entry::FAR));
            enclosing.push((position, key));
            Entry::new(key, step)
        })
        .collect()
}

/// The first `count` cells for sorted keys.
fn cells(keys: &[u64], grid: Grid, count: usize) -> Box<[Cell]> {
    let mut covers: Vec<(u32, u64)> = Vec::new();
    let mut rest = (0_u32..).zip(keys.iter().copied()).peekable();
    let mut first = 0;
    (0..count as u64)
        .map(|cell| {
            let begin = (grid.first + cell) * grid.width;
            let end = begin + grid.width;
            while covers.pop_if(|(_, key)| key_aligned(*key) + key_width(*key) <= begin).is_some() {}
            // A prefix that covers this cell and begins in it begins with it, so it comes before those within.
            while let Some((position, key)) =
                rest.next_if(|(_, key)| key_aligned(*key) == begin && grid.is_wide(*key))
            {
                covers.push((position, key));
                first = position + 1;
            }
            let cover =
                covers.last().map_or(Cover::NONE, |(position, key)| Cover::new(*position, key_len(*key)));
            let mut cell = Cell { first, cover, parts: 0 };
            while let Some((position, key)) = rest.next_if(|(_, key)| key_aligned(*key) < end) {
                first = position + 1;
                let from = grid.part(key_aligned(key)) % PARTS;
                let until = grid.part(key_aligned(key) + key_width(key) - 1) % PARTS;
                cell.parts |= u64::MAX << from & u64::MAX >> (PARTS - 1 - until);
            }
            cell
        })
        .collect()
}

impl fmt::Debug for PrefixIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrefixIndex")
            .field("len", &self.len())
            .field("heap_bytes", &self.heap_bytes())
            .finish()
    }
}
