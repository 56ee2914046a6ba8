//! Tariffs, exchange rates, plans and trunks: what is kept of them, and nothing of what it means.
//!
//! Versions are only ever added. A change of the catalog takes the row lock of `catalog_head` first and appends to the
//! feed last, so changes follow one another and never wait for a settlement while they hold something it needs.

mod decks;
mod plans;
mod trunks;

pub use decks::{FxRate, NewTariffVersion, StaleDeck, TariffVersion};
pub(crate) use plans::plan_by_id;
pub use plans::{OverridePrice, PlanVersion};
pub use trunks::TrunkRow;

use super::{StoreError, Tx, on};

const IDS: &str = include_str!("../../sql/queries/catalog_ids.sql");

impl Tx {
    /// Hands out that many ids for things of the catalog, and lets no other change of it run until this one ends:
    /// returns the first.
    pub async fn catalog_ids(&mut self, count: i64) -> Result<i64, StoreError> {
        let (last,): (i64,) = on!(self, c => sqlx::query_as(IDS).bind(count).fetch_one(c).await)?;
        Ok(last - count + 1)
    }
}
