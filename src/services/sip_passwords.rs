//! Passwords for SIP accounts created before passwords existed.

use jiff::Timestamp;

use crate::secrets::Secrets;
use crate::sip::digest;
use crate::store::{Store, StoreError};

/// SIP accounts per transaction.
const ACCOUNTS_AT_ONCE: i64 = 500;

/// Sets a random password for each SIP account that has none. It is unknown to everybody until it is changed.
pub(super) async fn set_missing_sip_passwords(
    store: &Store,
    secrets: &Secrets,
    now: Timestamp,
) -> Result<(), StoreError> {
    // Every command runs this: the writers' lock is acquired only if there is something to write.
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
