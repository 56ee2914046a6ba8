//! Operations of a reseller's portal for its clients: check a password, reset it, change the profile.

use crate::services::{ServiceError, Services};
use crate::store::profiles::Profile;
use crate::store::{Reserved, StoreError};

use super::hashing::{Caller, HashError};
use super::password;
use crate::directory::Account;
use crate::directory::keys::random_text;

/// Length of a temporary password in characters: 95 bits, and short enough to be read out on a phone.
const TEMPORARY_CHARS: usize = 16;
/// Maximum length of a mail address in bytes (RFC 5321's path without its brackets).
const MAX_EMAIL_BYTES: usize = 254;
/// Digits of a phone number; E.164 sets the maximum.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 5..=15;
/// Maximum length of a language tag, in bytes.
const MAX_LANGUAGE_BYTES: usize = 16;

/// Reasons to refuse an operation.
#[derive(Debug, thiserror::Error)]
pub enum PortalError {
    /// A field is malformed.
    #[error("{field}: {reason}")]
    BadValue {
        /// The field.
        field: &'static str,
        /// The reason.
        reason: &'static str,
    },
    /// The password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The store failed.
    #[error(transparent)]
    Services(#[from] ServiceError),
}

impl From<StoreError> for PortalError {
    fn from(error: StoreError) -> Self {
        Self::Services(error.into())
    }
}

/// Reports whether a password is the client's. It takes as long if there is no client, or a client without a password.
pub async fn is_password_of(
    services: &Services,
    client: Option<&Account>,
    password: String,
    caller: &Caller,
) -> Result<bool, PortalError> {
    // No account has the id 0: the database is read either way.
    let hash = services.store.password(client.map_or(0, |client| client.id)).await?;
    Ok(password::verify(password, hash, caller).await?)
}

/// Sets a new password for a client; it is returned only once.
pub async fn reset_password(
    services: &Services,
    client_id: i64,
    caller: &Caller,
) -> Result<String, PortalError> {
    let password = random_text(TEMPORARY_CHARS);
    let hash = password::hash(password.clone(), caller).await?;
    let mut tx = services.store.begin().await?;
    tx.reserve_ids(Reserved::default()).await?;
    tx.set_password(client_id, &hash).await?;
    tx.commit().await?;
    Ok(password)
}

/// Change of an optional value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Change {
    /// Keep the value: the request does not name it.
    #[default]
    Keep,
    /// Remove the value: the request has `null`.
    Remove,
    /// Set the value.
    Set(String),
}

impl Change {
    fn of(self, before: Option<String>) -> Option<String> {
        match self {
            Self::Keep => before,
            Self::Remove => None,
            Self::Set(text) => Some(text),
        }
    }
}

impl<'de> serde::Deserialize<'de> for Change {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<String>::deserialize(deserializer).map(|text| text.map_or(Self::Remove, Self::Set))
    }
}

/// Changes of a profile.
#[derive(Clone, Debug, Default)]
pub struct ProfileChange {
    /// Mail address.
    pub email: Change,
    /// Phone number.
    pub phone: Change,
    /// Language.
    pub language: Change,
}

/// Changes a client's profile; a refused change has no effect.
pub async fn change_profile(
    services: &Services,
    client_id: i64,
    change: ProfileChange,
) -> Result<Profile, PortalError> {
    check(&change)?;
    let mut tx = services.store.begin().await?;
    tx.reserve_ids(Reserved::default()).await?;
    let before = tx.profile(client_id).await?;
    let profile = Profile {
        email: change.email.of(before.email),
        phone: change.phone.of(before.phone),
        language: change.language.of(before.language),
        ..before
    };
    tx.put_profile(client_id, &profile).await?;
    tx.commit().await?;
    Ok(profile)
}

fn check(change: &ProfileChange) -> Result<(), PortalError> {
    let fields = [
        (
            "email",
            &change.email,
            is_email as fn(&str) -> bool,
            "it is no mail address of at most 254 characters",
        ),
        ("phone", &change.phone, is_phone, "it is no phone number of 5 to 15 digits"),
        ("language", &change.language, is_language, "it is no language tag, as en or de-AT"),
    ];
    for (field, value, is_good, reason) in fields {
        if let Change::Set(text) = value
            && !is_good(text)
        {
            return Err(PortalError::BadValue { field, reason });
        }
    }
    Ok(())
}

/// Checks the form only: text on both sides of one `@`, without spaces. Only a mail can show that the address exists.
fn is_email(text: &str) -> bool {
    let has_no_gap = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    let parts = text.rsplit_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    text.len() <= MAX_EMAIL_BYTES && has_no_gap && parts && text.matches('@').count() == 1
}

fn is_phone(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    PHONE_DIGITS.contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

/// Checks the form: two or three letters, then parts of letters and digits (BCP 47).
fn is_language(text: &str) -> bool {
    let mut parts = text.split(['-', '_']);
    let first = parts
        .next()
        .is_some_and(|part| (2..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphabetic()));
    let rest =
        parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()));
    text.len() <= MAX_LANGUAGE_BYTES && first && rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_numbers_and_languages_are_known_by_their_shape() {
        for good in ["client@example.com", "ü@x", "a+b@mail.example"] {
            assert!(is_email(good), "{good}");
        }
        for bad in ["", "@", "a@", "@b", "a b@c", "a@b@c", "a@b\n", &format!("{}@b", "a".repeat(253))] {
            assert!(!is_email(bad), "{bad}");
        }
        for good in ["+123456789", "12345", "+123456789012345"] {
            assert!(is_phone(good), "{good}");
        }
        for bad in ["", "+", "1234", "+1234567890123456", "+49 30 1", "++12345", "12345+", "١٢٣٤٥"] {
            assert!(!is_phone(bad), "{bad}");
        }
        for good in ["en", "de-AT", "pt_BR", "zh-Hant-TW", "gsw"] {
            assert!(is_language(good), "{good}");
        }
        for bad in ["", "e", "english", "en-", "-en", "1n", "en-toolongpart", "en-US-x-aaaaaaaaaa"] {
            assert!(!is_language(bad), "{bad}");
        }
    }
}
