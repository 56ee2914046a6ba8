//! Accounts' passwords: argon2id, never kept or logged in clear.

use std::sync::LazyLock;

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher as _, PasswordVerifier as _, Version};
use tokio::sync::Semaphore;

/// Memory of one hash, in KiB; with two passes what OWASP's password storage sheet asks of argon2id (19 MiB, t=2, p=1).
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
/// Hashes made at once: each takes a core and [`MEMORY_KIB`] for some ten milliseconds.
const AT_ONCE: usize = 4;
/// The shortest password that somebody may choose.
pub const MIN_CHARS: usize = 8;
/// The longest, in bytes: hashing is not to be made expensive by its input.
pub const MAX_BYTES: usize = 128;

static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);
/// What is compared where there is no password, so that the time taken tells nothing.
static NOBODYS: LazyLock<String> = LazyLock::new(|| hash_now("nobody has this password").unwrap_or_default());

/// Why a password is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too short or too long.
    #[error("a password has at least {MIN_CHARS} characters and at most {MAX_BYTES} bytes")]
    Length,
    /// A control character, which no form sends on purpose.
    #[error("a password holds no control characters")]
    Control,
}

/// Checks a password that somebody chose.
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

fn hash_now(password: &str) -> Option<String> {
    let salt: [u8; 16] = crate::secrets::random_bytes();
    argon2().hash_password_with_salt(password.as_bytes(), &salt).ok().map(|hash| hash.to_string())
}

/// Hashes a password, off the threads that serve; `None` only where the machine has no memory for it.
pub async fn hash(password: String) -> Option<String> {
    let _turn = TURNS.acquire().await.ok()?;
    tokio::task::spawn_blocking(move || hash_now(&password)).await.ok().flatten()
}

/// Whether a password is the one that was hashed. Where there is no hash it takes as long, and is not.
pub async fn verify(password: String, hash: Option<String>) -> bool {
    let Ok(_turn) = TURNS.acquire().await else { return false };
    let checked = tokio::task::spawn_blocking(move || {
        let (kept, known) = match &hash {
            Some(kept) => (kept.as_str(), true),
            None => (NOBODYS.as_str(), false),
        };
        let matches = PasswordHash::new(kept)
            .is_ok_and(|kept| argon2().verify_password(password.as_bytes(), &kept).is_ok());
        matches && known
    });
    checked.await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_by_its_hash_alone() {
        let hash = hash("OldPassword".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(verify("OldPassword".to_owned(), Some(hash.clone())).await);
        assert!(!verify("oldPassword".to_owned(), Some(hash)).await);
        assert!(!verify("nobody has this password".to_owned(), None).await);
    }

    #[test]
    fn short_long_and_control_are_refused() {
        assert_eq!(check("1234567"), Err(PasswordError::Length));
        assert_eq!(check(&"a".repeat(129)), Err(PasswordError::Length));
        assert_eq!(check("12345678\n"), Err(PasswordError::Control));
        assert_eq!(check("pässword"), Ok(()));
    }
}
