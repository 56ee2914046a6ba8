//! SIP passwords: generated, checked, stored encrypted, and sent to Asterisk only as digests.

use md5::{Digest as _, Md5};

use crate::secrets::{Purpose, Sealed, Secrets, SecretsError, hex, random_below};

/// Characters of a generated password: none can be confused with another, so that it can be read to a person.
const ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
/// Length of a generated password in characters: about 116 bits.
const GENERATED_CHARS: usize = 20;
/// Minimum length of a chosen password, in characters: SIP registrars are attacked with word lists all day.
const MIN_CHARS: usize = 8;
/// Maximum length of a password, in characters; phones have fields of this length.
const MAX_CHARS: usize = 64;

/// Reasons to refuse a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too short or too long.
    #[error("a SIP password has {MIN_CHARS} to {MAX_CHARS} characters")]
    Length,
    /// A character that phones encode differently, or not at all.
    #[error("a SIP password holds printable ASCII characters only, no spaces")]
    Characters,
}

/// The digest of SIP authentication: MD5 of `name:realm:password`. Never printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ha1([u8; 16]);

impl std::fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ha1(…)")
    }
}

impl Ha1 {
    /// Computes the digest of a name and its password in a realm.
    pub fn of(name: &str, realm: &str, password: &str) -> Self {
        let mut md5 = Md5::new();
        for part in [name, ":", realm, ":", password] {
            md5.update(part.as_bytes());
        }
        Self(md5.finalize().into())
    }

    /// Returns its 32 hexadecimal digits, as `ha1_secret` of Janus' SIP plugin expects them. They suffice to register.
    pub fn hex(&self) -> String {
        hex(&self.0)
    }

    /// Returns the value of Asterisk's `password_digest`: `MD5:` and 32 hexadecimal digits.
    pub fn password_digest(&self) -> String {
        format!("MD5:{}", self.hex())
    }
}

/// Checks a chosen password.
pub fn check(password: &str) -> Result<(), PasswordError> {
    if !(MIN_CHARS..=MAX_CHARS).contains(&password.len()) {
        return Err(PasswordError::Length);
    }
    if !password.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(PasswordError::Characters);
    }
    Ok(())
}

/// Generates a password.
pub fn generate() -> String {
    let letter = |_| {
        let at = usize::try_from(random_below(ALPHABET.len() as u64)).unwrap_or(0);
        char::from(ALPHABET[at])
    };
    (0..GENERATED_CHARS).map(letter).collect()
}

/// Encrypts a peer's password for the store.
pub fn seal(secrets: &Secrets, name: &str, password: &str) -> Sealed {
    secrets.seal(Purpose::SipSecret, name, password.as_bytes())
}

/// Decrypts a peer's password, for its owner.
pub fn open(secrets: &Secrets, name: &str, sealed: &Sealed) -> Result<String, SecretsError> {
    let unreadable = || SecretsError::Unreadable { subject: name.to_owned(), key_id: sealed.key_id };
    let plain = secrets.open_sealed(Purpose::SipSecret, name, sealed)?;
    String::from_utf8(plain).map_err(|_| unreadable())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_the_one_of_rfc_2617() {
        // The example of RFC 2617, section 3.5.
        let digest = Ha1::of("Mufasa", "testrealm@host.com", "Circle Of Life").password_digest();
        assert_eq!(digest, "MD5:939e7578ed9e3c518a452acee763bce9");
    }

    #[test]
    fn generated_passwords_pass_and_differ() {
        let one = generate();
        assert_eq!(one.len(), GENERATED_CHARS);
        assert_eq!(check(&one), Ok(()));
        assert_ne!(one, generate());
    }

    #[test]
    fn passwords_that_phones_cannot_write_are_refused() {
        assert_eq!(check("short12"), Err(PasswordError::Length));
        assert_eq!(check(&"a".repeat(65)), Err(PasswordError::Length));
        assert_eq!(check("with space"), Err(PasswordError::Characters));
        assert_eq!(check("umläute123"), Err(PasswordError::Characters));
        assert_eq!(check("line\nbreak"), Err(PasswordError::Characters));
        assert_eq!(check("StrongSipPass123"), Ok(()));
    }

    #[test]
    fn a_digest_is_never_printed() {
        assert_eq!(format!("{:?}", Ha1::of("a", "b", "c")), "Ha1(…)");
    }
}
