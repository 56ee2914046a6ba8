//! A change of a SIP account's peers: a transaction under the counters' lock, in force in memory after the commit.

use super::error::PeerError;
use crate::services::Services;
use crate::store::peers::{PeerKind, PeerRecord};
use crate::store::{Reserved, Tx};

/// Begins a transaction under the counters' lock, and reads the SIP account.
pub(super) async fn begin_at(services: &Services, sip_account: &str) -> Result<(Tx, PeerRecord), PeerError> {
    let mut tx = services.store.begin().await?;
    tx.reserve_ids(Reserved::default()).await?;
    let peer = tx.peer_by_name(sip_account).await?.filter(|peer| peer.kind == PeerKind::Sip);
    let peer = peer.ok_or_else(|| PeerError::UnknownSipAccount(sip_account.to_owned()))?;
    Ok((tx, peer))
}

/// Inserts a peer with its name, and commits.
pub(super) async fn finish_new(services: &Services, mut tx: Tx, peer: &PeerRecord) -> Result<(), PeerError> {
    tx.insert_name(&peer.name, peer.account_id).await?;
    tx.insert_peer(peer).await?;
    finish(services, tx, peer.account_id).await
}

/// Commits, and reloads the account.
pub(super) async fn finish(services: &Services, tx: Tx, account_id: i64) -> Result<(), PeerError> {
    tx.commit().await?;
    services.reload_account(account_id).await?;
    Ok(())
}
