//! Pending IP claims, and the claims that a call has proved.

use std::net::Ipv4Addr;

use dashmap::{DashMap, DashSet};
use tokio::sync::Notify;

/// A claim: the name of a SIP account and the address that it claims.
pub type Claim = (Box<str>, Ipv4Addr);

/// Pending claims, and the proved ones among them.
#[derive(Debug, Default)]
pub struct Proofs {
    /// Pending claims, each with the name of its peer.
    pending: DashMap<Claim, Box<str>>,
    /// Proved claims to approve: at most as many as are pending.
    proved: DashSet<Claim>,
    wake: Notify,
}

impl Proofs {
    /// Adds a pending claim.
    pub fn expect(&self, sip_account: &str, ip: Ipv4Addr, peer: &str) {
        self.pending.insert((sip_account.into(), ip), peer.into());
    }

    /// Removes the pending claims of these peers.
    pub fn forget(&self, peers: &[Box<str>]) {
        if !self.pending.is_empty() {
            self.pending.retain(|_, peer| !peers.contains(peer));
        }
    }

    /// Records that a call of a SIP account, whose password Asterisk has checked, came from this address. Without
    /// pending claims the cost is negligible.
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

    /// Waits until a call has proved a claim.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Queues a proved claim for another attempt.
    pub fn retry(&self, claim: Claim) {
        self.proved.insert(claim);
    }

    /// Removes and returns a proved claim.
    pub fn next(&self) -> Option<Claim> {
        let claim = self.proved.iter().next().map(|claim| claim.clone())?;
        self.proved.remove(&claim)
    }
}
