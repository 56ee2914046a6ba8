//! Reads the upstream's catalogue, and the exchange rates that prices follow.

use super::catalogue::{self, Rates, Synced};
use super::upstream::UpstreamError;
use crate::services::Services;
use crate::store::StoreError;

/// Errors of reading the upstream's catalogue.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// eSIMs are not sold here.
    #[error("esim.kind is off: eSIMs are not sold here")]
    Off,
    /// The upstream did not answer.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The upstream lists no package at all. That is treated as a fault of the upstream: the sale of every package would
    /// end.
    #[error("the upstream lists no package at all; the known packages are kept")]
    Empty,
    /// The database is unavailable.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The exchange rates in force.
pub async fn rates(services: &Services) -> Result<Rates, StoreError> {
    let snapshot = services.esim.snapshot(&services.store).await?;
    Rates::read(&services.store, &snapshot, services.currency(), services.clock.now()).await
}

/// Reads the upstream's catalogue into the store and into memory.
pub async fn sync(services: &Services) -> Result<Synced, SyncError> {
    if !services.config.esim.is_on() {
        return Err(SyncError::Off);
    }
    let _one = services.esim.syncing.lock().await;
    let listed = services.esim.upstream(&services.config, &services.clock).await?.list_packages().await?;
    if listed.is_empty() {
        return Err(SyncError::Empty);
    }
    let known = services.esim.snapshot(&services.store).await?;
    let synced = catalogue::write(&services.store, &known, listed, services.clock.now()).await?;
    services.esim.reload(&services.store).await?;
    tracing::info!(
        packages.listed = synced.listed,
        packages.changed = synced.changed,
        packages.gone = synced.gone,
        "eSIM catalogue synchronized"
    );
    Ok(synced)
}
