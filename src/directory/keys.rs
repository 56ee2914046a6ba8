//! Valid API keys in memory, indexed by their digest.

use dashmap::DashMap;
use sha2::{Digest as _, Sha256};

use crate::secrets::random_below;
use crate::store::keys::KeyRecord;

/// Characters of a key: letters and digits only, because clients put keys into URLs of other systems, files and shells.
const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// SHA-256 of a key.
pub type KeyDigest = [u8; 32];

/// Computes the digest that indexes a key.
pub fn digest(key: &str) -> KeyDigest {
    Sha256::digest(key.as_bytes()).into()
}

/// Generates random letters and digits.
pub fn random_text(chars: usize) -> String {
    let letter = |_| {
        let at = usize::try_from(random_below(ALPHABET.len() as u64)).unwrap_or(0);
        char::from(ALPHABET[at])
    };
    (0..chars).map(letter).collect()
}

/// The account of an API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHolder {
    /// Id of the key.
    pub key_id: i64,
    /// Id of its account.
    pub account_id: i64,
    /// True if the subaccounts API answers this key with numbers.
    pub numbers: bool,
}

/// The valid keys, in memory.
#[derive(Debug, Default)]
pub struct Keys {
    by_digest: DashMap<KeyDigest, KeyHolder>,
    of_account: DashMap<i64, Vec<KeyDigest>>,
}

impl Keys {
    /// Returns the account of a key.
    pub fn holder(&self, digest: &KeyDigest) -> Option<KeyHolder> {
        self.by_digest.get(digest).map(|holder| *holder)
    }

    /// Adds a key during the initial load.
    pub fn put(&self, record: &KeyRecord) {
        let holder = KeyHolder { key_id: record.id, account_id: record.account_id, numbers: record.numbers };
        self.by_digest.insert(record.digest, holder);
        self.of_account.entry(record.account_id).or_default().push(record.digest);
    }

    /// Replaces all keys of an account.
    pub fn replace(&self, account_id: i64, records: &[KeyRecord]) {
        let now: Vec<KeyDigest> = records.iter().map(|record| record.digest).collect();
        let before = self.of_account.remove(&account_id).map(|(_, digests)| digests).unwrap_or_default();
        for gone in before.iter().filter(|digest| !now.contains(digest)) {
            self.by_digest.remove(gone);
        }
        for record in records {
            self.put(record);
        }
    }
}
