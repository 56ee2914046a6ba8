//! Passwords of SIP accounts from before passwords existed.

use jiff::Timestamp;

use crate::secrets::Secrets;
use crate::sip::digest;
use crate::store::{Store, StoreError};

/// SIP accounts that one transaction sets a password for.
const ACCOUNTS_AT_ONCE: i64 = 500;

/// Sets a random password for each SIP account that has none. Nobody knows it until it is changed.
pub(super) async fn set_missing_sip_passwords(
    store: &Store,
    secrets: &Secrets,
    now: Timestamp,
) -> Result<(), StoreError> {
    // Every command comes by here: the writers' lock is taken only where there is something to write.
    while store.lacks_passwords().await? {
        let mut tx = store.begin().await?;
        let peers = tx.peers_without_secret(ACCOUNTS_AT_ONCE).await?;
        for peer in &peers {
            let sealed = digest::seal(secrets, &peer.name, &digest::generate());
            tx.set_peer_secret(&peer.name, &sealed, now).await?;
        }
        tx.commit().await?;
        tracing::info!(
            peers = peers.len(),
            "SIP accounts without a password got one; `tollgate sip password` sets it"
        );
    }
    Ok(())
}
