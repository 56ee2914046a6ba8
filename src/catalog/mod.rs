//! Tariffs, plans and trunks: import, validate, compile, publish.
//!
//! [`deck`] reads and writes decks, [`admin`] changes what is stored, [`Catalog`] holds what calls see of it and replaces
//! that snapshot when the feed reports a change, [`lcr`] chooses the carriers of a call.

pub mod admin;
pub mod deck;
mod error;
pub mod fx;
mod kind;
pub mod lcr;
mod listing;
mod load;
pub mod price_list;
mod snapshot;
pub mod trunks;
mod unusable;

pub use error::CatalogError;
pub use kind::TariffKind;
pub use load::Catalog;
pub use snapshot::{CurrentTariff, MessagePrices, Plan, Snapshot};
pub use trunks::Trunk;
pub use unusable::Unusable;
