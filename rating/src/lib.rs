//! Money, prefixes, tariffs, rating, wallets and credit control.
//!
//! No I/O, no async, no clock of its own: everything a rule needs is passed in.

pub mod money;
pub mod prefix;

pub use money::Money;
