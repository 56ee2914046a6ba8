//! Money, prefixes, tariffs, rating, wallets and credit control.
//!
//! No I/O, no async, no clock of its own: everything a rule needs is passed in.

#![deny(missing_docs, clippy::float_arithmetic)]

pub mod call_rate;
pub mod credit;
pub mod money;
pub mod number;
pub mod plan;
pub mod prefix;
mod rounding;
mod sync;
pub mod tariff;
mod terms;
mod week;

pub use call_rate::{AnswerRange, CallRate, Charge, RatingError};
pub use money::Money;
pub use number::E164;
pub use plan::{NoRate, PlanTerms, PricedTariff};
pub use prefix::Prefix;
pub use tariff::{RateRow, Tariff};
