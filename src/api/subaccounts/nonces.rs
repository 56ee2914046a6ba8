//! Nonces of signed requests, each accepted once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, PoisonError};

/// Greatest age of a signature, and greatest lead of its clock, in seconds.
pub(super) const MAX_AGE_S: i64 = 30;
/// Nonces in memory; at that number signed requests are refused until some expire.
const MAX_NONCES: usize = 100_000;

/// The nonces in use by account, with the second after which their signature is too old anyway.
#[derive(Debug, Default)]
pub(crate) struct Nonces(Mutex<HashMap<(i64, String), i64>>);

impl Nonces {
    /// Uses a nonce; `false` where it was used before, or where too many are in memory.
    pub(super) fn use_once(&self, account_id: i64, nonce: &str, now_s: i64) -> bool {
        // Single insertions and removals: a panic leaves the map consistent.
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= MAX_NONCES / 2 {
            used.retain(|_, until| *until >= now_s);
        }
        if used.len() >= MAX_NONCES {
            return false;
        }
        match used.entry((account_id, nonce.to_owned())) {
            Entry::Occupied(mut known) => {
                let is_expired = *known.get() < now_s;
                if is_expired {
                    known.insert(now_s + 2 * MAX_AGE_S);
                }
                is_expired
            }
            Entry::Vacant(free) => {
                free.insert(now_s + 2 * MAX_AGE_S);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_accepted_once_while_its_signature_is_valid() {
        let nonces = Nonces::default();
        assert!(nonces.use_once(1, "a", 100));
        assert!(!nonces.use_once(1, "a", 160));
        assert!(nonces.use_once(2, "a", 160));
        assert!(nonces.use_once(1, "a", 161));
    }
}
