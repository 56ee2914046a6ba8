//! Keys of recently ended calls, as numbers.
//!
//! Asterisk's unique ids consist of its wall clock and a counter: a clock that was set back can issue one again. The
//! ledger would treat the second call as a repetition of the first and charge nothing, so it is not granted.
//!
//! An end can also be reported twice: the part of the call's charge that the wallets have is stored with its key.

use std::collections::{HashMap, VecDeque};

/// Maximum keys remembered: more than an hour of calls at fifty a second, in some ten megabytes.
const MAX_KEYS: usize = 200_000;

/// Part of an ended call's charge that the wallets have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Charged {
    /// Nothing: the call's hold ended, and its ticket still charges it.
    #[default]
    Nothing,
    /// Charge of a settlement without the ticket; one with the ticket replaces it.
    Provisionally,
    /// Charge of the settlement with the ticket.
    Finally,
}

impl Charged {
    /// Returns the state after the wallets were charged by this kind of settlement.
    pub(super) const fn by(provisional: bool) -> Self {
        if provisional { Self::Provisionally } else { Self::Finally }
    }
}

/// A charge applied in memory while the ledger could not be asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct OnTrust {
    /// Newest CDR that the ledger had acknowledged before.
    pub(super) newest_before: i64,
    /// True if the charge of a settlement without the ticket was in memory before.
    pub(super) had_provisional: bool,
}

/// The most recent keys, oldest first.
#[derive(Debug, Default)]
pub(super) struct EndedKeys {
    order: VecDeque<u64>,
    charged: HashMap<u64, Charged>,
    /// Maximum seconds that the payers of a call are charged for if its ticket still charges it: the limit that
    /// Asterisk received.
    at_most: HashMap<u64, u32>,
}

impl EndedKeys {
    /// Adds a call's end, and removes the oldest keys beyond the limit. An earlier charge is kept.
    pub(super) fn add(&mut self, key: u64, charged: Charged) {
        if charged == Charged::Finally {
            self.at_most.remove(&key);
        }
        if let Some(known) = self.charged.get_mut(&key) {
            *known = charged.max(*known);
            return;
        }
        self.charged.insert(key, charged);
        self.order.push_back(key);
        if self.order.len() > MAX_KEYS
            && let Some(oldest) = self.order.pop_front()
        {
            self.charged.remove(&oldest);
            self.at_most.remove(&oldest);
        }
    }

    /// Stores the maximum chargeable seconds of a recently ended call, unless its ticket has charged it.
    pub(super) fn limit(&mut self, key: u64, seconds: u32) {
        if self.charged.get(&key).is_some_and(|charged| *charged < Charged::Finally) {
            self.at_most.insert(key, seconds);
        }
    }

    /// Returns the maximum chargeable seconds of a call, if stored.
    pub(super) fn at_most(&self, key: u64) -> Option<u32> {
        self.at_most.get(&key).copied()
    }

    /// Reports whether the call ended recently.
    pub(super) fn contains(&self, key: u64) -> bool {
        self.charged.contains_key(&key)
    }

    /// Returns the part of the call's charge that the wallets have.
    pub(super) fn charged(&self, key: u64) -> Charged {
        self.charged.get(&key).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_keys_are_forgotten() {
        let mut keys = EndedKeys::default();
        let last = MAX_KEYS as u64;
        for n in 0..=last {
            keys.add(n, Charged::Nothing);
            keys.limit(n, 60);
            keys.add(n, Charged::Nothing);
        }
        assert!(!keys.contains(0));
        assert!(keys.contains(1) && keys.contains(last));
        assert_eq!((keys.order.len(), keys.at_most.len()), (MAX_KEYS, MAX_KEYS));
    }

    #[test]
    fn a_call_whose_hold_ended_can_be_charged_later_and_not_the_other_way_round() {
        let mut keys = EndedKeys::default();
        keys.add(7, Charged::Nothing);
        assert!(keys.contains(7) && keys.charged(7) == Charged::Nothing);
        for charged in [Charged::Provisionally, Charged::Finally] {
            keys.add(7, charged);
            keys.add(7, Charged::Nothing);
            assert_eq!(keys.charged(7), charged);
            keys.limit(7, 60);
            assert_eq!(keys.at_most(7), (charged < Charged::Finally).then_some(60));
        }
    }
}
