//! Errors of the catalogue.

use tollgate_rating::NoRate;

use super::admin::AdminError;
use super::fx::CurrencyError;
use super::unusable::Unusable;
use crate::store::StoreError;

/// Errors of loading and pricing.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// A version that is asked for was never published here.
    #[error("there is no {what} version {id}")]
    NoSuchVersion {
        /// `tariff`, `plan` or `trunk`.
        what: &'static str,
        /// Its id.
        id: i64,
    },
    /// The versions do not belong together.
    #[error("the plan versions {ids:?} do not derive from one another")]
    NotAChain {
        /// The ids, the base's first.
        ids: Vec<i64>,
    },
    /// The tariff prices nothing.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// The number has no rate.
    #[error(transparent)]
    NoRate(#[from] NoRate),
    /// `money.currency` is no currency.
    #[error("money.currency: {0}")]
    Currency(#[from] CurrencyError),
    /// Tariffs could not be repriced.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
