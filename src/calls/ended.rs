//! The keys of calls that ended lately, as numbers.
//!
//! Asterisk's unique ids are its wall clock and a counter: a clock that was set back can give one out again. The book
//! would take the second call for a repetition of the first and charge nothing, so it is not granted.

use std::collections::{HashSet, VecDeque};

/// Keys remembered: more than an hour of calls at ten a second.
const MAX_KEYS: usize = 40_000;

/// The last keys, oldest first.
#[derive(Debug, Default)]
pub(super) struct EndedKeys {
    order: VecDeque<u64>,
    known: HashSet<u64>,
}

impl EndedKeys {
    /// Remembers a call's end, and forgets the oldest beyond the limit.
    pub(super) fn add(&mut self, key: u64) {
        if !self.known.insert(key) {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > MAX_KEYS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// Whether the call ended lately.
    pub(super) fn contains(&self, key: u64) -> bool {
        self.known.contains(&key)
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
            keys.add(n);
            keys.add(n);
        }
        assert!(!keys.contains(0));
        assert!(keys.contains(1) && keys.contains(last));
        assert_eq!(keys.order.len(), MAX_KEYS);
    }
}
