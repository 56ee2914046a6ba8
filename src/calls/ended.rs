//! The keys of calls that ended lately, as numbers.
//!
//! Asterisk's unique ids are its wall clock and a counter: a clock that was set back can give one out again. The book
//! would take the second call for a repetition of the first and charge nothing, so it is not granted.
//!
//! And an end can be told twice: whether the wallets have taken the call's charge is remembered with its key.

use std::collections::{HashMap, VecDeque};

/// Keys remembered: more than an hour of calls at fifty a second, in some ten megabytes.
const MAX_KEYS: usize = 200_000;

/// The last keys, oldest first.
#[derive(Debug, Default)]
pub(super) struct EndedKeys {
    order: VecDeque<u64>,
    /// Whether the wallets have taken the call's charge; a call whose hold only ended may still be charged.
    charged: HashMap<u64, bool>,
}

impl EndedKeys {
    /// Remembers a call's end, and forgets the oldest beyond the limit. What was charged stays so.
    pub(super) fn add(&mut self, key: u64, charged: bool) {
        if let Some(known) = self.charged.get_mut(&key) {
            *known |= charged;
            return;
        }
        self.charged.insert(key, charged);
        self.order.push_back(key);
        if self.order.len() > MAX_KEYS
            && let Some(oldest) = self.order.pop_front()
        {
            self.charged.remove(&oldest);
        }
    }

    /// Whether the call ended lately.
    pub(super) fn contains(&self, key: u64) -> bool {
        self.charged.contains_key(&key)
    }

    /// Whether the wallets have taken the call's charge.
    pub(super) fn is_charged(&self, key: u64) -> bool {
        self.charged.get(&key).copied().unwrap_or(false)
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
            keys.add(n, false);
            keys.add(n, false);
        }
        assert!(!keys.contains(0));
        assert!(keys.contains(1) && keys.contains(last));
        assert_eq!(keys.order.len(), MAX_KEYS);
    }

    #[test]
    fn a_call_whose_hold_ended_can_be_charged_later_and_not_the_other_way_round() {
        let mut keys = EndedKeys::default();
        keys.add(7, false);
        assert!(keys.contains(7) && !keys.is_charged(7));
        keys.add(7, true);
        keys.add(7, false);
        assert!(keys.is_charged(7));
    }
}
