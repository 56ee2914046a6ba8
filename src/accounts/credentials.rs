//! Passwords of accounts: set, changed and used by the clients of a portal to authenticate.

use super::hashing::{Caller, HashError};
use super::password::{self, PasswordError};
use crate::directory::keys::random_text;
use crate::services::Services;
use crate::store::{Reserved, StoreError};

/// Length of a generated password: 95 bits.
const GENERATED_CHARS: usize = 16;

/// Reasons not to set a password.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// No account has this login.
    #[error("there is no account {0}")]
    UnknownAccount(String),
    /// The account has no password yet.
    #[error("the account has no password yet")]
    NoPassword,
    /// The current password does not match.
    #[error("the current password is another one")]
    WrongPassword,
    /// The password was changed concurrently.
    #[error("the password was changed by somebody else meanwhile")]
    Changed,
    /// The new password is refused.
    #[error(transparent)]
    New(#[from] PasswordError),
    /// The password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The store failed.
    #[error("the database failed: {0}")]
    Store(#[from] StoreError),
}

impl CredentialError {
    /// Returns the machine code of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownAccount(_) => "unknown_account",
            Self::NoPassword => "no_password",
            Self::WrongPassword => "wrong_password",
            Self::Changed => "changed_meanwhile",
            Self::New(_) => "bad_password",
            Self::Hash(_) | Self::Store(_) => "unavailable",
        }
    }
}

/// Changes an account's password for a caller that presents the current one.
pub async fn change(
    services: &Services,
    account_id: i64,
    current: String,
    new: String,
    caller: &Caller,
) -> Result<(), CredentialError> {
    password::check(&new)?;
    let Some(known) = services.store.password(account_id).await? else {
        return Err(CredentialError::NoPassword);
    };
    if !password::verify(current, Some(known.clone()), caller).await? {
        return Err(CredentialError::WrongPassword);
    }
    let hash = password::hash(new, caller).await?;
    let mut tx = services.store.begin().await?;
    tx.reserve_ids(Reserved::default()).await?;
    // A concurrent reset takes precedence: this caller presented only the old password.
    if tx.password(account_id).await?.as_ref() != Some(&known) {
        return Err(CredentialError::Changed);
    }
    tx.set_password(account_id, &hash).await?;
    tx.commit().await?;
    Ok(())
}

/// Sets an account's password to the given one or to a generated one, and returns it.
pub async fn set(
    services: &Services,
    login: &str,
    password: Option<String>,
) -> Result<String, CredentialError> {
    let password = match password {
        Some(password) => password::check(&password).map(|()| password)?,
        None => random_text(GENERATED_CHARS),
    };
    let account = services.store.account_by_login(login).await?;
    let account = account.ok_or_else(|| CredentialError::UnknownAccount(login.to_owned()))?;
    let hash = password::hash(password.clone(), &Caller::operator()).await?;
    let mut tx = services.store.begin().await?;
    tx.reserve_ids(Reserved::default()).await?;
    tx.set_password(account.id, &hash).await?;
    tx.commit().await?;
    Ok(password)
}
