//! Who is registered at which Asterisk: kept by its events, found anew whenever some may have been missed.

use std::collections::{HashMap, HashSet};

use dashmap::DashMap;

/// The contacts' URIs of one server's peers, by name.
type Contacts = HashMap<Box<str>, HashSet<Box<str>>>;

/// The contacts of peers, by server and name.
#[derive(Debug, Default)]
pub struct Registrations {
    servers: DashMap<Box<str>, Contacts>,
}

impl Registrations {
    /// Whether a peer is registered somewhere.
    pub fn registered(&self, name: &str) -> bool {
        self.servers.iter().any(|server| server.contains_key(name))
    }

    /// How many peers are registered at a server.
    pub fn count(&self, server: &str) -> usize {
        self.servers.get(server).map_or(0, |peers| peers.len())
    }

    /// Everybody who is registered at a server.
    pub fn names(&self, server: &str) -> Vec<Box<str>> {
        self.servers.get(server).map(|peers| peers.keys().cloned().collect()).unwrap_or_default()
    }

    /// A contact was made.
    pub fn add(&self, server: &str, name: &str, uri: &str) {
        self.servers.entry(server.into()).or_default().entry(name.into()).or_default().insert(uri.into());
    }

    /// A contact is gone.
    pub fn remove(&self, server: &str, name: &str, uri: &str) {
        let Some(mut peers) = self.servers.get_mut(server) else { return };
        if let Some(contacts) = peers.get_mut(name) {
            contacts.remove(uri);
            if contacts.is_empty() {
                peers.remove(name);
            }
        }
    }

    /// A peer's contacts at a server.
    pub fn contacts(&self, server: &str, name: &str) -> Vec<Box<str>> {
        self.servers
            .get(server)
            .and_then(|peers| peers.get(name).map(|contacts| contacts.iter().cloned().collect()))
            .unwrap_or_default()
    }

    /// What a server has by its own, whole word.
    pub fn replace(&self, server: &str, contacts: impl IntoIterator<Item = (Box<str>, Box<str>)>) {
        let mut peers = Contacts::new();
        for (name, uri) in contacts {
            peers.entry(name).or_default().insert(uri);
        }
        self.servers.insert(server.into(), peers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_registered_while_one_contact_is_left_anywhere() {
        let registrations = Registrations::default();
        registrations.add("ast1", "1001", "sip:a");
        registrations.add("ast1", "1001", "sip:b");
        registrations.add("ast2", "1001", "sip:a");
        registrations.remove("ast1", "1001", "sip:a");
        assert_eq!(registrations.contacts("ast1", "1001"), ["sip:b".into()]);
        registrations.remove("ast1", "1001", "sip:b");
        registrations.remove("ast1", "1001", "sip:never");
        assert!(registrations.registered("1001"), "at the other server");
        registrations.replace("ast2", [("1002".into(), "sip:c".into())]);
        assert!(!registrations.registered("1001"));
        assert!(registrations.registered("1002"));
        assert_eq!((registrations.count("ast1"), registrations.count("ast2")), (0, 1));
    }
}
