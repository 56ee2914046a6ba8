//! Approval of IP claims that calls have proved: authorising records the proofs in memory, and this task applies them.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::claims;
use super::error::PeerError;
use crate::calls::Calls;
use crate::services::Services;

/// Delay before a failed try is repeated.
const AGAIN: Duration = Duration::from_secs(1);

/// Approves claims that calls have proved, until `stop`.
pub async fn carry_out(services: Arc<Services>, calls: Arc<Calls>, stop: CancellationToken) {
    let proofs = calls.directory.phones().proofs();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = proofs.woken() => {}
        }
        while let Some((sip_account, ip)) = proofs.next() {
            match claims::prove_address(&services, &sip_account, ip).await {
                Ok(_) => {}
                Err(PeerError::Store(error)) => {
                    tracing::warn!(%error, "the proof of an address waits for the database");
                    proofs.retry((sip_account, ip));
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(AGAIN) => {}
                    }
                }
                // Another account has the address, or a limit is reached: the operator must decide.
                Err(error) => tracing::warn!(
                    peer.sip_account = %sip_account,
                    peer.address = %ip,
                    %error,
                    "a proved claim of an address stays pending: see `tollgate ipauth find` and `ipauth move`"
                ),
            }
        }
    }
}
