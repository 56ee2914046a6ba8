//! The key file, and the keys derived from it for each purpose.
//!
//! The file has one line per key, `<id> <64 hex digits>`, the last one current. Every ticket and every ciphertext names
//! its key, so a call granted before `secrets rotate` still settles after it, and a password stored before it can still
//! be read.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::digest::CtOutput;
use rand::RngExt as _;
use sha2::{Digest as _, Sha256};

/// Maximum number of keys kept in the file; a rotation beyond this drops the oldest.
const MAX_KEYS: usize = 16;
/// Length of a nonce in bytes: random nonces of this length do not repeat, however much is encrypted.
const NONCE_BYTES: usize = 24;

/// Reason why the key file is refused.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The key file cannot be read or written.
    #[error("the key file {file} cannot be used: {source}")]
    Io {
        /// The file.
        file: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// Other users can read the key file.
    #[error("the key file {file} can be read by others (mode {mode:o}): it must have mode 600")]
    Open {
        /// The file.
        file: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A line is not `<id> <64 hex digits>`.
    #[error("line {line} of the key file {file} is not a key")]
    Malformed {
        /// The file.
        file: PathBuf,
        /// Number of the line, from 1.
        line: usize,
    },
    /// A stored value cannot be decrypted: its key is not in the file, or the value was modified.
    #[error("what is stored for {subject} under key {key_id} cannot be decrypted")]
    Unreadable {
        /// Subject of the value.
        subject: String,
        /// Id of the key that it names.
        key_id: u16,
    },
    /// The key file does not exist and must not be created.
    #[error("the key file {file} is missing")]
    Missing {
        /// The file.
        file: PathBuf,
    },
}

#[derive(Clone)]
struct MasterKey {
    id: u16,
    bytes: [u8; 32],
    /// Derived once: every call's ticket is signed and verified with it.
    ticket: [u8; 32],
    /// Derived once: a start decrypts a hundred thousand passwords with it.
    sip_secret: [u8; 32],
}

impl MasterKey {
    fn new(id: u16, bytes: [u8; 32]) -> Self {
        let (ticket, sip_secret) = (derive(&bytes, Purpose::Ticket), derive(&bytes, Purpose::SipSecret));
        Self { id, bytes, ticket, sip_secret }
    }

    fn of(&self, purpose: Purpose) -> [u8; 32] {
        match purpose {
            Purpose::Ticket => self.ticket,
            Purpose::SipSecret => self.sip_secret,
            other => derive(&self.bytes, other),
        }
    }
}

/// The keys of the deployment. Never printed.
#[derive(Clone)]
pub struct Secrets {
    keys: Vec<MasterKey>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({} keys)", self.keys.len())
    }
}

/// Purpose of a derived key; a key of one purpose reveals nothing about another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Signing tickets.
    Ticket,
    /// The token for reading metrics.
    MetricsToken,
    /// The token for Asterisk's reads of peers.
    RealtimeToken,
    /// Encrypting SIP passwords.
    SipSecret,
    /// Encrypting the secrets of signed requests.
    SigningSecret,
    /// Encrypting stored answers for repeated requests.
    IdempotentAnswer,
    /// The fingerprint of the key stored in the database.
    Fingerprint,
}

/// An encrypted value with the id of its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Id of the key.
    pub key_id: u16,
    /// Nonce and ciphertext.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed({} bytes under key {})", self.bytes.len(), self.key_id)
    }
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Ticket => b"tollgate ticket v1",
            Self::MetricsToken => b"tollgate metrics token v1",
            Self::RealtimeToken => b"tollgate realtime token v1",
            Self::SipSecret => b"tollgate sip secret v1",
            Self::SigningSecret => b"tollgate signing secret v1",
            Self::IdempotentAnswer => b"tollgate idempotent answer v1",
            Self::Fingerprint => b"tollgate fingerprint v1",
        }
    }
}

impl Secrets {
    /// Reads the key file, or creates it if it does not exist and `may_create` allows it.
    pub fn open(file: &Path, may_create: bool) -> Result<Self, SecretsError> {
        match std::fs::metadata(file) {
            Ok(metadata) => {
                let mode = metadata.permissions().mode() & 0o777;
                if mode & 0o077 != 0 {
                    return Err(SecretsError::Open { file: file.to_owned(), mode });
                }
                let text = std::fs::read_to_string(file).map_err(|e| io_error(file, e))?;
                Self::parse(file, &text)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && may_create => {
                let secrets = Self { keys: vec![MasterKey::new(1, random_bytes())] };
                match secrets.write(file, true) {
                    // Another process created it between our check and our write: its file is used.
                    Err(SecretsError::Io { source, .. })
                        if source.kind() == std::io::ErrorKind::AlreadyExists =>
                    {
                        Self::open(file, false)
                    }
                    written => written.map(|()| secrets),
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(SecretsError::Missing { file: file.to_owned() })
            }
            Err(error) => Err(io_error(file, error)),
        }
    }

    /// Creates keys in memory only, for tests and benchmarks.
    pub fn ephemeral() -> Self {
        Self { keys: vec![MasterKey::new(1, random_bytes())] }
    }

    /// Adds a new current key and rewrites the file; older keys stay readable.
    pub fn rotate(&mut self, file: &Path) -> Result<u16, SecretsError> {
        let id = self.current().id.wrapping_add(1).max(1);
        let mut next = self.clone();
        next.keys.push(MasterKey::new(id, random_bytes()));
        if next.keys.len() > MAX_KEYS {
            next.keys.remove(0);
        }
        let beside = file.with_extension("key.new");
        next.write(&beside, false)?;
        std::fs::rename(&beside, file).map_err(|e| io_error(file, e))?;
        *self = next;
        Ok(id)
    }

    /// Returns the id of the key that currently signs.
    pub fn current_id(&self) -> u16 {
        self.current().id
    }

    /// Returns the key of `purpose`, derived from the key with this id.
    pub fn key(&self, id: u16, purpose: Purpose) -> Option<[u8; 32]> {
        self.keys.iter().find(|key| key.id == id).map(|key| key.of(purpose))
    }

    /// Returns the key of `purpose`, derived from the current key.
    pub fn current_key(&self, purpose: Purpose) -> [u8; 32] {
        self.current().of(purpose)
    }

    /// Returns the fingerprint of the current key, which the database stores.
    pub fn fingerprint(&self) -> String {
        hex(&self.current_key(Purpose::Fingerprint)[..8])
    }

    /// Returns the fingerprints of every key in the file, the current one last.
    pub fn fingerprints(&self) -> Vec<String> {
        self.keys.iter().map(|key| hex(&derive(&key.bytes, Purpose::Fingerprint)[..8])).collect()
    }

    /// Returns the tokens that give access to metrics when none is configured: the current key's last, because a
    /// rotation must not lock out a monitoring system with an older one.
    pub fn metrics_tokens(&self) -> Vec<String> {
        self.keys.iter().map(|key| hex(&key.of(Purpose::MetricsToken))).collect()
    }

    /// Returns the tokens that give Asterisk access to peers when none is configured: the current key's last, because a
    /// rotation must not lock out an Asterisk with an older one.
    pub fn realtime_tokens(&self) -> Vec<String> {
        self.keys.iter().map(|key| hex(&key.of(Purpose::RealtimeToken))).collect()
    }

    /// Returns the id of the key that the next rotation drops, if any.
    pub fn dropped_next(&self) -> Option<u16> {
        (self.keys.len() >= MAX_KEYS).then(|| self.keys[0].id)
    }

    /// Encrypts with the current key, for `subject`: only the same subject can decrypt it.
    pub fn seal(&self, purpose: Purpose, subject: &str, plain: &[u8]) -> Sealed {
        let nonce: [u8; NONCE_BYTES] = random_bytes();
        let cipher = XChaCha20Poly1305::new(&self.current_key(purpose).into());
        let payload = Payload { msg: plain, aad: subject.as_bytes() };
        // Fails only for a text of 256 GiB.
        let ciphertext = cipher.encrypt(&XNonce::from(nonce), payload).unwrap_or_default();
        Sealed { key_id: self.current_id(), bytes: [nonce.as_slice(), &ciphertext].concat() }
    }

    /// Decrypts a value encrypted by [`Secrets::seal`] for this purpose and subject, under any key of the file.
    pub fn open_sealed(
        &self,
        purpose: Purpose,
        subject: &str,
        sealed: &Sealed,
    ) -> Result<Vec<u8>, SecretsError> {
        let unreadable = || SecretsError::Unreadable { subject: subject.to_owned(), key_id: sealed.key_id };
        let key = self.key(sealed.key_id, purpose).ok_or_else(unreadable)?;
        let (nonce, ciphertext) = sealed.bytes.split_first_chunk::<NONCE_BYTES>().ok_or_else(unreadable)?;
        let payload = Payload { msg: ciphertext, aad: subject.as_bytes() };
        XChaCha20Poly1305::new(&key.into()).decrypt(&XNonce::from(*nonce), payload).map_err(|_| unreadable())
    }

    fn current(&self) -> &MasterKey {
        // The constructors never leave the list empty.
        &self.keys[self.keys.len() - 1]
    }

    fn parse(file: &Path, text: &str) -> Result<Self, SecretsError> {
        let mut keys = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let key = parse_line(line)
                .ok_or_else(|| SecretsError::Malformed { file: file.to_owned(), line: index + 1 })?;
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(SecretsError::Malformed { file: file.to_owned(), line: 1 });
        }
        Ok(Self { keys })
    }

    fn write(&self, file: &Path, only_new: bool) -> Result<(), SecretsError> {
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600);
        if only_new {
            options.create_new(true);
        } else {
            options.create(true).truncate(true);
        }
        let mut out = options.open(file).map_err(|e| io_error(file, e))?;
        let mut text = String::from("# Tollgate's keys. Keep this file secret and backed up.\n");
        for key in &self.keys {
            text.push_str(&format!("{} {}\n", key.id, hex(&key.bytes)));
        }
        out.write_all(text.as_bytes()).and_then(|()| out.sync_all()).map_err(|e| io_error(file, e))
    }
}

fn parse_line(line: &str) -> Option<MasterKey> {
    let (id, digits) = line.trim().split_once(' ')?;
    let mut bytes = [0_u8; 32];
    hex::decode_to_slice(digits, &mut bytes).ok()?;
    Some(MasterKey::new(id.parse().ok()?, bytes))
}

fn derive(master: &[u8; 32], purpose: Purpose) -> [u8; 32] {
    let mut key = [0_u8; 32];
    // 32 bytes are far below HKDF's limit, so this cannot fail.
    let _ = Hkdf::<Sha256>::new(None, master).expand(purpose.label(), &mut key);
    key
}

/// Encodes bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    hex::encode(bytes)
}

/// Compares a presented token with the expected one in constant time: the digests are compared, so that the time
/// reveals neither the length nor the content of the expected one.
pub fn tokens_match(presented: &str, expected: &str) -> bool {
    let digest = |text: &str| CtOutput::<Sha256>::new(Sha256::digest(text.as_bytes()));
    digest(presented) == digest(expected)
}

fn io_error(file: &Path, source: std::io::Error) -> SecretsError {
    SecretsError::Io { file: file.to_owned(), source }
}

/// Returns random bytes for salts, nonces and keys.
#[expect(clippy::disallowed_methods, reason = "this is the one place that owns randomness")]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    rand::rng().random()
}

/// Returns a random integer below `bound` (which is at least 1).
#[expect(clippy::disallowed_methods, reason = "this is the one place that owns randomness")]
pub fn random_below(bound: u64) -> u64 {
    rand::rng().random_range(0..bound.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_token_matches() {
        assert!(tokens_match("token", "token"));
        for other in ["", "toke", "tokens", "Token", "\0token"] {
            assert!(!tokens_match(other, "token") && !tokens_match("token", other), "{other:?}");
        }
    }

    #[test]
    fn a_key_file_is_made_once_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tollgate.key");
        assert!(matches!(Secrets::open(&file, false), Err(SecretsError::Missing { .. })));
        let made = Secrets::open(&file, true).unwrap();
        let read = Secrets::open(&file, true).unwrap();
        assert_eq!(made.fingerprint(), read.fingerprint());
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_key_file_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tollgate.key");
        Secrets::open(&file, true).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Secrets::open(&file, true), Err(SecretsError::Open { .. })));
    }

    #[test]
    fn old_keys_stay_usable_after_a_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tollgate.key");
        let mut secrets = Secrets::open(&file, true).unwrap();
        let old = secrets.current_key(Purpose::Ticket);
        let id = secrets.rotate(&file).unwrap();
        assert_eq!(id, 2);
        let read = Secrets::open(&file, false).unwrap();
        assert_eq!(read.key(1, Purpose::Ticket), Some(old));
        assert_ne!(read.current_key(Purpose::Ticket), old);
        assert_ne!(read.current_key(Purpose::Ticket), read.current_key(Purpose::MetricsToken));
    }

    #[test]
    fn what_is_sealed_opens_for_its_subject_and_purpose_alone_also_after_a_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tollgate.key");
        let mut secrets = Secrets::open(&file, true).unwrap();
        let sealed = secrets.seal(Purpose::SipSecret, "1001", b"password");
        assert_ne!(sealed, secrets.seal(Purpose::SipSecret, "1001", b"password"));
        secrets.rotate(&file).unwrap();
        assert_eq!(secrets.open_sealed(Purpose::SipSecret, "1001", &sealed).unwrap(), b"password");
        assert!(secrets.open_sealed(Purpose::SipSecret, "1002", &sealed).is_err());
        assert!(secrets.open_sealed(Purpose::Ticket, "1001", &sealed).is_err());
        for at in 0..sealed.bytes.len() {
            let mut changed = sealed.clone();
            changed.bytes[at] ^= 1;
            assert!(secrets.open_sealed(Purpose::SipSecret, "1001", &changed).is_err(), "byte {at}");
        }
        let other = Sealed { key_id: 9, ..sealed.clone() };
        assert!(secrets.open_sealed(Purpose::SipSecret, "1001", &other).is_err());
        let cut = Sealed { bytes: sealed.bytes[..10].to_vec(), ..sealed };
        assert!(secrets.open_sealed(Purpose::SipSecret, "1001", &cut).is_err());
    }

    #[test]
    fn tokens_of_older_keys_stay_good() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tollgate.key");
        let mut secrets = Secrets::open(&file, true).unwrap();
        let before = secrets.realtime_tokens();
        secrets.rotate(&file).unwrap();
        assert_eq!(secrets.realtime_tokens()[..1], before[..]);
        assert_eq!(secrets.realtime_tokens().len(), 2);
    }
}
