//! A deck of rates, compiled once into an immutable index.
//!
//! [`RateRow`] is one line of a deck; [`Tariff::compile`] checks all of them and lays them out for lookup. A prefix
//! with one row, which nearly every prefix has, takes 16 bytes beside the index: its price, its destination's name
//! and its other terms, both of which are kept once for all prefixes that share them.
//!
//! ```
//! use jiff::{Timestamp, tz::TimeZone};
//! use tollgate_rating::{Money, RateRow, Tariff, number::E164};
//!
//! let row = |line, prefix: &str, price| RateRow::new(line, prefix.parse().unwrap(), Money::parse(price).unwrap());
//! let tariff = Tariff::compile([row(2, "49", "0.01"), row(3, "4915", "0.08")]).unwrap();
//! let mobile: E164 = "4915112345678".parse().unwrap();
//! let found = tariff.find(mobile, Timestamp::UNIX_EPOCH, &TimeZone::UTC).unwrap();
//! assert_eq!(found.prefix().to_string(), "4915");
//!
//! let refused = Tariff::compile([row(2, "49", "0.01"), row(3, "49", "0.08")]).unwrap_err();
//! assert_eq!(refused.first[0].line, 3);
//! ```

mod compile;
mod compiled;
mod error;
mod row;
mod sold;

pub(crate) use self::{
    compiled::{FoundForm, FoundStep},
    sold::Destination,
};
pub use self::{
    compiled::{FoundRate, Tariff},
    error::{DeckErrors, MAX_REPORTED, RowError},
    row::{MAX_BLOCK_SECONDS, MAX_PRICE, MAX_STEP_START, RateRow, ValidityBound, ValidityError},
    sold::SoldPrefixes,
};
pub use crate::week::{DAY_MINUTES, Days, DaysError, TimeError, WEEK_MINUTES, format_minute, parse_minute};
