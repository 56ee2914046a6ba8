//! Decks: CSV files of rates, as operators get and give them.
//!
//! [`Deck::read`] takes what carriers and other systems write, [`mod@write`] gives the one canonical form, which reads back to
//! the same deck, and [`diff()`] lists the changes between two.

pub mod column;
pub mod columns;
pub mod diff;
mod fields;
mod headers;
pub mod read;
pub mod write;

pub use columns::{ColumnMap, HeaderError, Layout};
pub use diff::{Diff, diff};
pub use read::{Deck, DeckError};
