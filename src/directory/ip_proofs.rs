//! Pending IP claims, and those that a call has proved.

use std::net::Ipv4Addr;

use dashmap::{DashMap, DashSet};
use tokio::sync::Notify;

/// A SIP account and an address that it claims.
pub type Claim = (Box<str>, Ipv4Addr);

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

    /// Waits until a call has proved a claim.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Keeps a proved claim for another attempt.
    pub fn retry(&self, claim: Claim) {
        self.proved.insert(claim);
    }

    /// Removes and returns a claim that a call has proved.
    pub fn next(&self) -> Option<Claim> {
        let claim = self.proved.iter().next().map(|claim| claim.clone())?;
        self.proved.remove(&claim)
    }
}
