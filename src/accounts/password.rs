//! Passwords of accounts: hashed with argon2id, never stored or logged in clear.

use argon2::password_hash::phc::{Output, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};

use super::hashing::params::{MEMORY_KIB, PASSES};
use super::hashing::{Caller, HASHER, HashError};

/// Minimum length of a chosen password, in characters.
pub const MIN_CHARS: usize = 8;
/// Maximum length in bytes, which bounds the cost of hashing.
pub const MAX_BYTES: usize = 128;

/// Reasons to refuse a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too short or too long.
    #[error("a password has at least {MIN_CHARS} characters and at most {MAX_BYTES} bytes")]
    Length,
    /// A control character, which no form sends intentionally.
    #[error("a password holds no control characters")]
    Control,
}

/// Checks a chosen password.
pub fn check(password: &str) -> Result<(), PasswordError> {
    if password.chars().count() < MIN_CHARS || password.len() > MAX_BYTES {
        return Err(PasswordError::Length);
    }
    if password.chars().any(char::is_control) {
        return Err(PasswordError::Control);
    }
    Ok(())
}

fn argon2() -> Argon2<'static> {
    // The parameters are constants within the library's bounds.
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash_now(password: &str, blocks: &mut [Block]) -> Option<String> {
    let salt: [u8; 16] = crate::secrets::random_bytes();
    let (argon2, mut bytes) = (argon2(), [0; Params::DEFAULT_OUTPUT_LEN]);
    argon2.hash_password_into_with_memory(password.as_bytes(), &salt, &mut bytes, blocks).ok()?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: argon2.params().try_into().ok()?,
        salt: Some(Salt::new(&salt).ok()?),
        hash: Some(Output::new(&bytes).ok()?),
    };
    Some(hash.to_string())
}

/// Reports whether a password matches the hash; `None` if the hash is malformed or needs more memory than a slot has.
fn verify_now(password: &str, hash: &str, blocks: &mut [Block]) -> Option<bool> {
    let kept = PasswordHash::new(hash).ok()?;
    let algorithm = Algorithm::try_from(kept.algorithm.as_str()).ok()?;
    let version = Version::try_from(kept.version?).ok()?;
    let params = Params::try_from(&kept).ok()?;
    let (salt, expected) = (kept.salt?, kept.hash?);
    let mut buffer = [0; Output::MAX_LENGTH];
    let bytes = buffer.get_mut(..expected.len())?;
    let argon2 = Argon2::new(algorithm, version, params);
    argon2.hash_password_into_with_memory(password.as_bytes(), &salt, bytes, blocks).ok()?;
    // The library compares in constant time.
    Some(Output::new(bytes).ok()? == expected)
}

/// Hashes a password in the caller's queue.
pub async fn hash(password: String, caller: &Caller) -> Result<String, HashError> {
    let hashed = HASHER.run(caller, move |blocks| hash_now(&password, blocks)).await?;
    hashed.ok_or(HashError::Unavailable)
}

/// Reports whether a password matches a hash. Without a hash it takes as long and returns false.
pub async fn verify(password: String, hash: Option<String>, caller: &Caller) -> Result<bool, HashError> {
    let verify = move |blocks: &mut [Block]| match hash {
        Some(hash) => verify_now(&password, &hash, blocks),
        // Hashes only to take the same time.
        None => hash_now(&password, blocks).map(|_| false),
    };
    HASHER.run(caller, verify).await?.ok_or(HashError::Unavailable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_by_its_hash_alone() {
        let caller = Caller::operator();
        let hash = hash("OldPassword".to_owned(), &caller).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let verify = async |password: &str, hash: Option<&str>| {
            verify(password.to_owned(), hash.map(str::to_owned), &caller).await
        };
        assert_eq!(verify("OldPassword", Some(&hash)).await, Ok(true));
        assert_eq!(verify("oldPassword", Some(&hash)).await, Ok(false));
        assert_eq!(verify("OldPassword", None).await, Ok(false));
        let needs_more = hash.replace("m=19456", "m=19460");
        assert_eq!(verify("OldPassword", Some(&needs_more)).await, Err(HashError::Unavailable));
        assert_eq!(verify("OldPassword", Some("$nonsense")).await, Err(HashError::Unavailable));
    }

    #[tokio::test]
    async fn hashes_of_the_library_itself_are_verified_and_the_other_way_round() {
        use argon2::{PasswordHasher as _, PasswordVerifier as _};
        let caller = Caller::operator();
        let made = argon2().hash_password_with_salt(b"a password", b"sixteen bytes!!!").unwrap().to_string();
        assert_eq!(verify("a password".to_owned(), Some(made), &caller).await, Ok(true));
        let made = hash("a password".to_owned(), &caller).await.unwrap();
        argon2().verify_password(b"a password", made.as_str()).unwrap();
        assert!(argon2().verify_password(b"another", made.as_str()).is_err());
    }

    #[test]
    fn short_long_and_control_are_refused() {
        assert_eq!(check("1234567"), Err(PasswordError::Length));
        assert_eq!(check(&"a".repeat(129)), Err(PasswordError::Length));
        assert_eq!(check("12345678\n"), Err(PasswordError::Control));
        assert_eq!(check("pässword"), Ok(()));
    }
}
