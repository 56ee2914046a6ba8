//! Logins: they share one namespace with the names of SIP peers.

use crate::secrets::random_below;

/// Maximum length of a login, in characters; a PJSIP section name and a CDR column can hold it.
pub const MAX_LOGIN_CHARS: usize = 32;

/// Reasons to refuse a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// Empty, or longer than [`MAX_LOGIN_CHARS`].
    #[error("a login has 1 to {MAX_LOGIN_CHARS} characters")]
    Length,
    /// A character outside letters, digits, `-`, `_` and `.`.
    #[error("a login holds only letters, digits, '-', '_' and '.', and starts with a letter or digit")]
    Characters,
    /// The login has the form of a service peer's name.
    #[error("a login may not end in _ipa or _web and a number: those names belong to service peers")]
    ServiceName,
}

/// Checks a chosen login.
pub fn check(login: &str) -> Result<(), LoginError> {
    if login.is_empty() || login.len() > MAX_LOGIN_CHARS {
        return Err(LoginError::Length);
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if !login.bytes().all(allowed) || !login.as_bytes()[0].is_ascii_alphanumeric() {
        return Err(LoginError::Characters);
    }
    if is_service_name(login) {
        return Err(LoginError::ServiceName);
    }
    Ok(())
}

/// Reports whether a name has the form of an IP-authenticated or web-phone peer: `…_ipa1`, `…_web1`.
pub fn is_service_name(name: &str) -> bool {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    stem.len() < name.len() && (stem.ends_with("_ipa") || stem.ends_with("_web"))
}

/// Generates a login: 7 to 9 digits, because some clients read ids as 31-bit integers.
pub fn generate() -> String {
    (1_000_000 + random_below(998_999_999)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_logins_fit_31_bits_and_7_to_9_digits() {
        for _ in 0..1_000 {
            let login = generate();
            assert!((7..=9).contains(&login.len()), "{login}");
            assert!(login.parse::<u32>().unwrap() < 1 << 31);
            assert_eq!(check(&login), Ok(()));
        }
    }

    #[test]
    fn service_peers_names_are_no_logins() {
        assert_eq!(check("1001_ipa1"), Err(LoginError::ServiceName));
        assert_eq!(check("shop_web12"), Err(LoginError::ServiceName));
        assert_eq!(check("shop_web"), Ok(()));
        assert_eq!(check("a&b"), Err(LoginError::Characters));
        assert_eq!(check("-a"), Err(LoginError::Characters));
        assert_eq!(check(""), Err(LoginError::Length));
        assert_eq!(check(&"a".repeat(33)), Err(LoginError::Length));
    }
}
