//! Helpers shared by the commands of the catalogue.

use std::fs::File;
use std::path::Path;

use serde_json::json;

use super::answer::Failure;
use crate::catalog::admin::AdminError;
use crate::catalog::fx::Currency;
use crate::services::Services;

/// Parses the deployment's currency.
pub(crate) fn wallet_currency(currency: &str) -> Result<Currency, Failure> {
    currency.parse().map_err(|error| Failure::new("bad_config", format!("money.currency: {error}")))
}

/// Puts a change of the catalogue into force at once. If that fails, the change feed does it a moment later.
pub(crate) async fn refresh_catalog(services: &Services) {
    if let Some(memory) = services.memory_if_loaded()
        && let Err(error) = memory.catalog.refresh().await
    {
        tracing::warn!(%error, "catalogue not refreshed");
    }
}

/// Opens a deck's file.
pub(crate) fn open_deck(file: &Path) -> Result<File, Failure> {
    File::open(file).map_err(|error| Failure::new("unreadable", format!("{}: {error}", file.display())))
}

impl From<AdminError> for Failure {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Deck(error) => error.into(),
            AdminError::Invalid { field, .. } => {
                let mut failure = Self::new(error.code(), error.to_string());
                failure.details = Some(json!({ "field": field }));
                failure
            }
            error => Self::new(error.code(), error.to_string()),
        }
    }
}
