//! The errors of a deck, line by line.

use crate::prefix::Prefix;
use core::fmt;

/// How many errors a report holds; beyond them they are counted.
pub const MAX_REPORTED: usize = 100;

/// The error of a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowError {
    /// The line of the deck.
    pub line: u64,
    /// The column.
    pub column: &'static str,
    /// The reason.
    pub reason: String,
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, {}: {}", self.line, self.column, self.reason)
    }
}

/// Why a deck is refused: the errors of the first hundred lines that have any, and how many there are.
///
/// Errors may be recorded in any order, by the reader of the file and by the compiler alike.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct DeckErrors {
    /// The first errors, in the order of their lines once [`DeckErrors::into_result`] has been through.
    pub first: Vec<RowError>,
    /// How many errors there are.
    pub total: u64,
}

impl DeckErrors {
    /// Records an error.
    pub fn push(&mut self, line: u64, column: &'static str, reason: impl Into<String>) {
        self.total += 1;
        self.first.push(RowError { line, column, reason: reason.into() });
        // Pruned at twice the length, so that a deck of bad lines is sorted once in a hundred.
        if self.first.len() >= 2 * MAX_REPORTED {
            self.prune();
        }
    }

    /// Adds another report's errors.
    pub fn merge(&mut self, other: Self) {
        self.total += other.total;
        self.first.extend(other.first);
        self.prune();
    }

    /// The value, or these errors if there are any.
    pub fn into_result<T>(mut self, value: T) -> Result<T, Self> {
        if self.total == 0 {
            return Ok(value);
        }
        self.prune();
        Err(self)
    }

    fn prune(&mut self) {
        self.first.sort_by_key(|error| error.line);
        self.first.truncate(MAX_REPORTED);
    }
}

impl fmt::Display for DeckErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} errors in the deck", self.total)?;
        if let Some(first) = self.first.first() {
            write!(f, ", first: {first}")?;
        }
        Ok(())
    }
}

impl core::error::Error for DeckErrors {}

/// "prefix 4930": how a reason names a rate.
pub(crate) fn of_prefix(prefix: Prefix) -> String {
    format!("prefix {prefix}")
}
