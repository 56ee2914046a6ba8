//! Reads the upstream's catalogue, and the exchange rates that prices follow.

use super::catalogue::{self, Rates, Synced};
use super::upstream::UpstreamError;
use crate::esim::state::Esim;
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
pub async fn rates(esim: &Esim) -> Result<Rates, StoreError> {
    let snapshot = esim.snapshot().await?;
    Rates::read(&esim.services.store, &snapshot, esim.services.currency(), esim.services.clock.now()).await
}

/// Reads the upstream's catalogue into the store and into memory.
pub async fn sync(esim: &Esim) -> Result<Synced, SyncError> {
    if !esim.services.config.esim.is_on() {
        return Err(SyncError::Off);
    }
    let _one = esim.syncing.lock().await;
    let listed = esim.upstream().await?.list_packages().await?;
    if listed.is_empty() {
        return Err(SyncError::Empty);
    }
    let known = esim.snapshot().await?;
    let synced = catalogue::write(&esim.services.store, &known, listed, esim.services.clock.now()).await?;
    esim.reload().await?;
    tracing::info!(
        packages.listed = synced.listed,
        packages.changed = synced.changed,
        packages.gone = synced.gone,
        "eSIM catalogue synchronized"
    );
    Ok(synced)
}
