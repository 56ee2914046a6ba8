//! Tariffs, exchange rates, plans and trunks as stored rows, without their interpretation.
//!
//! Versions are only ever added. A change of the catalog acquires the row lock of `catalog_head` first and appends to
//! the feed last, so changes are serialized, and none holds a lock that a settlement needs while it waits.

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
    /// Reserves `count` ids for objects of the catalog, and blocks other changes of the catalog until this transaction
    /// ends: returns the first id.
    pub async fn catalog_ids(&mut self, count: i64) -> Result<i64, StoreError> {
        let (last,): (i64,) = on!(self, c => sqlx::query_as(IDS).bind(count).fetch_one(c).await)?;
        Ok(last - count + 1)
    }
}
