//! The keys of calls that ended lately.
//!
//! Asterisk's unique ids are its wall clock and a counter: a clock that was set back can give one out again. The book
//! would take the second call for a repetition of the first and charge nothing, so it is not granted.

use std::collections::{HashSet, VecDeque};

use crate::ledger::CallKey;

/// Keys remembered: more than an hour of calls at ten a second.
const MAX_KEYS: usize = 40_000;

/// The last keys, oldest first.
#[derive(Debug, Default)]
pub(super) struct EndedKeys {
    order: VecDeque<CallKey>,
    known: HashSet<CallKey>,
}

impl EndedKeys {
    /// Remembers a call's end, and forgets the oldest beyond the limit.
    pub(super) fn add(&mut self, key: &CallKey) {
        if !self.known.insert(key.clone()) {
            return;
        }
        self.order.push_back(key.clone());
        if self.order.len() > MAX_KEYS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// Whether the call ended lately.
    pub(super) fn contains(&self, key: &CallKey) -> bool {
        self.known.contains(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> CallKey {
        CallKey { server: "pbx".to_owned(), unique_id: n.to_string(), leg: 1 }
    }

    #[test]
    fn the_oldest_keys_are_forgotten() {
        let mut keys = EndedKeys::default();
        for n in 0..=MAX_KEYS {
            keys.add(&key(n));
            keys.add(&key(n));
        }
        assert!(!keys.contains(&key(0)));
        assert!(keys.contains(&key(1)) && keys.contains(&key(MAX_KEYS)));
        assert_eq!(keys.order.len(), MAX_KEYS);
    }
}
