//! The peers in memory, indexed by name for authorising and for Asterisk, by address, and by account.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use dashmap::{DashMap, DashSet};

use super::account::Account;
use super::ip_proofs::Proofs;
use crate::secrets::Secrets;
use crate::sip::changes::{Changes, PeerChange};
use crate::sip::digest::{self, Ha1};
use crate::sip::rows::MANY_ADDRESSES;
use crate::store::peers::PeerKind;
use crate::store::peers::PeerRecord;

/// A peer in memory.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The account that pays.
    pub account: Arc<Account>,
    /// Kind of the peer.
    pub kind: PeerKind,
    /// True while the peer is enabled; for an `_ipaN` its SIP account must be enabled too.
    pub active: bool,
    /// Source address of an `_ipaN`'s requests; `None` for other kinds.
    pub source: Option<Ipv4Addr>,
    /// Digest of the password, for peers other than `_ipaN`; `None` if the password cannot be read.
    pub digest: Option<Ha1>,
    /// Name of the SIP account that an `_ipaN` belongs to.
    sip_account: Option<Arc<str>>,
    /// The peer's own enabled flag; false while its claim is pending.
    switch: bool,
}

impl Peer {
    /// Reports whether calls of the peer are considered: the peer, its account and every account above are enabled.
    pub fn in_force(&self) -> bool {
        self.active && self.account.may_call()
    }

    /// Reports whether a call from this address can belong to the peer. Peers with passwords may call from anywhere; an
    /// `_ipaN` matches only its address, and never a request without one.
    pub fn comes_from(&self, source: Option<IpAddr>) -> bool {
        match self.kind {
            PeerKind::Sip | PeerKind::Web => true,
            PeerKind::Ipa => match (self.source, source) {
                (Some(own), Some(from)) => IpAddr::V4(own) == from.to_canonical(),
                _ => false,
            },
        }
    }

    fn state(&self) -> PeerState {
        PeerState { kind: self.kind, in_force: self.in_force(), source: self.source, digest: self.digest }
    }
}

/// The peer's state as far as Asterisk must be notified of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerState {
    kind: PeerKind,
    in_force: bool,
    source: Option<Ipv4Addr>,
    digest: Option<Ha1>,
}

/// Keys and realm for computing digests from stored passwords.
#[derive(Debug, Clone)]
pub struct Passwords {
    /// The current keys.
    pub secrets: Arc<ArcSwap<Secrets>>,
    /// `sip.realm`.
    pub realm: String,
}

impl Passwords {
    fn digest(&self, record: &PeerRecord) -> Option<Ha1> {
        if !record.kind.has_password() {
            return None;
        }
        let opened =
            record.secret.as_ref().map(|sealed| digest::open(&self.secrets.load(), &record.name, sealed));
        match opened {
            Some(Ok(password)) => Some(Ha1::of(&record.name, &self.realm, &password)),
            Some(Err(error)) => {
                tracing::error!(peer.name = %record.name, %error, "a SIP account cannot be told to Asterisk");
                None
            }
            None => None,
        }
    }
}

/// All peers.
#[derive(Debug)]
pub struct Phones {
    peers: DashMap<Box<str>, Peer>,
    of_account: DashMap<i64, Vec<Box<str>>>,
    /// Names of the `_ipaN` peers: few among many.
    address_peers: DashSet<Box<str>>,
    passwords: Passwords,
    changes: Arc<Changes>,
    proofs: Proofs,
    /// True once the warning was logged that many `_ipaN` peers slow every Asterisk down.
    warned: AtomicBool,
}

impl Phones {
    /// Creates an empty set of peers.
    pub(super) fn new(passwords: Passwords) -> Self {
        Self {
            peers: DashMap::new(),
            of_account: DashMap::new(),
            address_peers: DashSet::new(),
            passwords,
            changes: Arc::default(),
            proofs: Proofs::default(),
            warned: AtomicBool::new(false),
        }
    }

    /// Returns the channel for publishing changes.
    pub fn changes(&self) -> &Arc<Changes> {
        &self.changes
    }

    /// Returns the pending claims of addresses, and the claims that calls have proved.
    pub fn proofs(&self) -> &Proofs {
        &self.proofs
    }

    /// Returns a peer by its name.
    pub fn get(&self, name: &str) -> Option<Peer> {
        self.peers.get(name).map(|peer| peer.clone())
    }

    /// Returns the number of peers.
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// Reports whether there are no peers.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// Returns the names and addresses of the `_ipaN` peers in force, sorted by name.
    pub fn addresses(&self) -> Vec<(Box<str>, Ipv4Addr)> {
        let mut found: Vec<(Box<str>, Ipv4Addr)> = self
            .address_peers
            .iter()
            .filter_map(|name| {
                let peer = self.get(&name).filter(|peer| peer.kind == PeerKind::Ipa && peer.in_force())?;
                Some((name.clone(), peer.source?))
            })
            .collect();
        found.sort_unstable();
        found
    }

    /// Adds a peer during the initial load, which [`Phones::follow_all`] completes.
    pub(super) fn put(&self, account: &Arc<Account>, record: &PeerRecord) {
        let name: Box<str> = record.name.as_str().into();
        self.of_account.entry(account.id).or_default().push(name.clone());
        if record.kind == PeerKind::Ipa {
            self.address_peers.insert(name.clone());
            self.expect_proof(record);
        }
        self.peers.insert(name, self.peer(account, record));
    }

    /// Completes the initial load: every `_ipaN` follows the enabled flag of its SIP account.
    pub(super) fn follow_all(&self) {
        let followers: Vec<Box<str>> = self.address_peers.iter().map(|name| name.clone()).collect();
        self.follow(&followers);
        self.count_addresses();
    }

    /// Replaces all peers of an account.
    pub(super) fn replace(&self, account: &Arc<Account>, records: &[PeerRecord]) {
        let names: Vec<Box<str>> = records.iter().map(|record| record.name.as_str().into()).collect();
        // Insert an `_ipaN` with its SIP account's present flag; otherwise it would be in force for a moment although
        // its SIP account is disabled.
        let switched_on: HashMap<&str, bool> =
            records.iter().map(|record| (record.name.as_str(), record.active)).collect();
        let known = self.of_account.get(&account.id).map(|names| names.clone()).unwrap_or_default();
        self.proofs.forget(&known);
        for record in records {
            let mut peer = self.peer(account, record);
            peer.active = peer.switch
                && record
                    .sip_account
                    .as_deref()
                    .is_none_or(|sip| switched_on.get(sip).copied().unwrap_or(false));
            if peer.kind == PeerKind::Ipa {
                self.address_peers.insert(record.name.as_str().into());
                self.expect_proof(record);
            }
            self.peers.insert(record.name.as_str().into(), peer);
        }
        let old = self.of_account.insert(account.id, names.clone()).unwrap_or_default();
        for gone in old.iter().filter(|name| !names.contains(name)) {
            // The name may belong to another account by now.
            if self.peers.remove_if(gone, |_, peer| peer.account.id == account.id).is_some() {
                self.address_peers.remove(gone);
            }
        }
        self.count_addresses();
    }

    fn expect_proof(&self, record: &PeerRecord) {
        if let (false, true, Some(sip_account), Some(ip)) =
            (record.approved, record.active, &record.sip_account, record.source)
        {
            self.proofs.expect(sip_account, ip, &record.name);
        }
    }

    fn follow(&self, names: &[Box<str>]) {
        for name in names {
            let Some(peer) = self.get(name) else { continue };
            let above = peer.sip_account.as_deref().and_then(|sip| self.get(sip));
            let active = peer.switch && above.is_some_and(|above| above.switch);
            if let Some(mut peer) = self.peers.get_mut(name) {
                peer.active = active;
            }
        }
    }

    fn count_addresses(&self) {
        let active = self.address_peers.iter().filter_map(|name| self.get(&name)).filter(|peer| peer.active);
        if active.count() > MANY_ADDRESSES && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "more than {} IP peers are active: every request that no name matches costs each Asterisk more \
                 than it should",
                MANY_ADDRESSES
            );
        }
    }

    fn peer(&self, account: &Arc<Account>, record: &PeerRecord) -> Peer {
        Peer {
            account: Arc::clone(account),
            kind: record.kind,
            active: record.active && record.approved,
            source: record.source,
            digest: self.passwords.digest(record),
            sip_account: record.sip_account.as_deref().map(Into::into),
            switch: record.active && record.approved,
        }
    }

    /// Returns the present state of these accounts' peers.
    pub(super) fn states(&self, accounts: &[i64]) -> HashMap<Box<str>, PeerState> {
        let mut states = HashMap::new();
        for id in accounts {
            let names = self.of_account.get(id).map(|names| names.clone()).unwrap_or_default();
            for name in names {
                if let Some(peer) = self.get(&name) {
                    states.insert(name, peer.state());
                }
            }
        }
        states
    }

    /// Publishes the differences between `before` and the present state.
    pub(super) fn publish_since(&self, before: &HashMap<Box<str>, PeerState>, accounts: &[i64]) {
        let after = self.states(accounts);
        let mut changes = Vec::new();
        for (name, old) in before {
            let new = after.get(name);
            if new == Some(old) {
                continue;
            }
            let ended = old.in_force && !new.is_some_and(|new| new.in_force);
            changes.push(PeerChange {
                name: name.clone(),
                kind: old.kind,
                ended,
                unregister: ended || new.is_some_and(|new| new.digest != old.digest),
            });
        }
        for (name, new) in after {
            if !before.contains_key(&name) {
                changes.push(PeerChange { name, kind: new.kind, ended: false, unregister: false });
            }
        }
        self.changes.publish(changes);
    }
}
