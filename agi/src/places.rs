//! Connections at once, and of one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::accept::network;

/// Why there is no place for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// All are taken.
    Full,
    /// The address has its share.
    Share,
}

/// The places of a server.
#[derive(Debug)]
pub(crate) struct Places {
    most: usize,
    per_address: Option<usize>,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    of: HashMap<IpAddr, usize>,
}

/// A place of a connection, free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    network: IpAddr,
}

impl Places {
    /// `most` places; of these `per_address` for one address, or as many as it leaves free.
    pub(crate) fn new(most: usize, per_address: Option<usize>) -> Arc<Self> {
        Arc::new(Self { most, per_address, taken: Mutex::default() })
    }

    /// Places that are taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).all
    }

    /// Takes a place for a connection from this address.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Place, NoPlace> {
        let network = network(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.most.saturating_sub(taken.all);
        if free == 0 {
            return Err(NoPlace::Full);
        }
        let own = taken.of.get(&network).copied().unwrap_or_default();
        let has_its_share = match self.per_address {
            Some(most) => own >= most,
            None => own > free,
        };
        if has_its_share {
            return Err(NoPlace::Share);
        }
        taken.all += 1;
        taken.of.insert(network, own + 1);
        Ok(Place { places: Arc::clone(self), network })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        if let Some(own) = taken.of.get_mut(&self.network) {
            *own -= 1;
            // An address without a connection is not remembered: the map is as bounded as the places.
            if *own == 0 {
                taken.of.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    fn take_all(places: &Arc<Places>, from: u8) -> Vec<Place> {
        std::iter::from_fn(|| places.take(address(from)).ok()).collect()
    }

    #[test]
    fn whatever_others_hold_a_new_address_has_places() {
        let places = Places::new(100, None);
        let first = take_all(&places, 1);
        assert_eq!(first.len(), 51);
        let second = take_all(&places, 2);
        assert_eq!(second.len(), 25);
        let third = take_all(&places, 3);
        assert_eq!(third.len(), 13);
        assert!(places.take(address(4)).is_ok());
        drop((first, second, third));
        assert_eq!(places.taken(), 0);
        assert!(places.taken.lock().unwrap().of.is_empty());
    }

    #[test]
    fn a_configured_share_is_that_many() {
        let places = Places::new(10, Some(9));
        let first = take_all(&places, 1);
        assert_eq!(first.len(), 9);
        assert_eq!(places.take(address(1)).unwrap_err(), NoPlace::Share);
        let _second = places.take(address(2)).unwrap();
        assert_eq!(places.take(address(3)).unwrap_err(), NoPlace::Full);
    }

    #[test]
    fn small_caps_can_be_used_up_by_one_address() {
        assert_eq!(take_all(&Places::new(1, None), 1).len(), 1);
        assert_eq!(take_all(&Places::new(2, None), 1).len(), 2);
    }
}
