//! Calls that prove claims of addresses: authorising notes them in memory, here they are carried out.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use dashmap::{DashMap, DashSet};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::claims;
use super::ops::PeerError;
use crate::app::desk::Desk;
use crate::calls::Calls;

/// How long a failed try is waited after.
const AGAIN: Duration = Duration::from_secs(1);

/// A SIP account and an address that it claims.
type Claim = (Box<str>, Ipv4Addr);

/// Pending claims, and those of them that a call has proved.
#[derive(Debug, Default)]
pub struct Proofs {
    /// The pending claims with the name of their peer.
    pending: DashMap<Claim, Box<str>>,
    /// Claims to approve: never more than are pending.
    proved: DashSet<Claim>,
    wake: Notify,
}

impl Proofs {
    /// A claim is pending.
    pub fn expect(&self, sip_account: &str, ip: Ipv4Addr, peer: &str) {
        self.pending.insert((sip_account.into(), ip), peer.into());
    }

    /// Forgets the pending claims of these peers.
    pub fn forget(&self, peers: &[Box<str>]) {
        if !self.pending.is_empty() {
            self.pending.retain(|_, peer| !peers.contains(peer));
        }
    }

    /// A call of a SIP account, whose password Asterisk has checked, came from this address. Costs nothing where no claim
    /// is pending.
    pub fn note(&self, sip_account: &str, ip: Ipv4Addr) {
        if self.pending.is_empty() {
            return;
        }
        let claim: Claim = (sip_account.into(), ip);
        if self.pending.contains_key(&claim) {
            self.proved.insert(claim);
            self.wake.notify_one();
        }
    }

    fn next(&self) -> Option<Claim> {
        let claim = self.proved.iter().next().map(|claim| claim.clone())?;
        self.proved.remove(&claim)
    }
}

/// Approves claims that calls have proved, until `stop`.
pub async fn carry_out(desk: Arc<Desk>, calls: Arc<Calls>, stop: CancellationToken) {
    let proofs = calls.directory.phones().proofs();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = proofs.wake.notified() => {}
        }
        while let Some((sip_account, ip)) = proofs.next() {
            match claims::prove_address(&desk, &sip_account, ip).await {
                Ok(_) => {}
                Err(PeerError::Store(error)) => {
                    tracing::warn!(%error, "the proof of an address waits for the database");
                    proofs.proved.insert((sip_account, ip));
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(AGAIN) => {}
                    }
                }
                // Somebody else has it, or there are as many as there may be: the operator is to decide.
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
