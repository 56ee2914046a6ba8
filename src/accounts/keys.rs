//! API keys: created, found by their digest, revoked. The key itself is shown only once and never stored.

use super::error::OpsError;
use crate::directory::keys::{digest, random_text};
use crate::secrets::{Purpose, Secrets};
use crate::services::{FEED_ACCOUNT, ServiceError, Services};
use crate::store::accounts::{AccountRecord, Kind};
use crate::store::keys::KeyRecord;
use crate::store::{Reserved, Store};

/// Length of a key in characters: 190 bits.
const KEY_CHARS: usize = 32;
/// Maximum length of a key, in characters; longer input is refused before it is digested.
pub const MAX_KEY_CHARS: usize = 128;
/// Maximum keys of an account at once.
pub const MAX_KEYS: usize = 50;

/// Signing secrets re-encrypted per transaction.
const SEALED_AT_ONCE: i64 = 500;

/// A new key, shown only once.
#[derive(Debug)]
pub struct NewKey {
    /// Its id.
    pub id: i64,
    /// The key.
    pub key: String,
}

/// Creates a key of an account.
pub async fn create(services: &Services, login: &str, numbers: bool) -> Result<NewKey, OpsError> {
    let mut tx = services.store.begin().await?;
    tx.reserve_ids(Reserved::default()).await?;
    let account = known(tx.account_by_login(login).await?, login)?;
    if tx.subaccount(account.id).await?.is_some_and(|subaccount| subaccount.deleted) {
        return Err(OpsError::UnknownAccount(login.to_owned()));
    }
    if tx.keys_of(account.id).await?.len() >= MAX_KEYS {
        return Err(OpsError::BadValue {
            field: "login",
            reason: format!("{login} has {MAX_KEYS} keys already: revoke one"),
        });
    }
    let key = random_text(KEY_CHARS);
    let now = services.clock.now();
    let id = tx.append_feed(FEED_ACCOUNT, account.id, now).await?;
    let digest = digest(&key);
    let record = KeyRecord { id, account_id: account.id, digest, numbers, created_at: now, revoked_at: None };
    tx.insert_key(&record).await?;
    tx.commit().await?;
    services.reload_account(account.id).await?;
    Ok(NewKey { id, key })
}

/// Lists an account's keys, oldest first, revoked ones included.
pub async fn list(services: &Services, login: &str) -> Result<Vec<KeyRecord>, OpsError> {
    let account = known(services.store.account_by_login(login).await?, login)?;
    Ok(services.store.keys_of(account.id).await?)
}

/// Revokes a key: requests with it are refused from now on. Revoking it again changes nothing.
pub async fn revoke(services: &Services, id: i64) -> Result<KeyRecord, OpsError> {
    let mut tx = services.store.begin().await?;
    tx.reserve_ids(Reserved::default()).await?;
    let now = services.clock.now();
    let key = tx.key_by_id(id).await?;
    let key =
        key.ok_or_else(|| OpsError::BadValue { field: "ID", reason: format!("there is no key {id}") })?;
    if key.revoked_at.is_none() {
        tx.revoke_key(id, now).await?;
        tx.append_feed(FEED_ACCOUNT, key.account_id, now).await?;
        tx.commit().await?;
        services.reload_account(key.account_id).await?;
    }
    Ok(KeyRecord { revoked_at: key.revoked_at.or(Some(now)), ..key })
}

/// Returns the secret for signing an account's requests. It is created on first use, and replaced if `anew` is set.
pub async fn signing_secret(services: &Services, login: &str, anew: bool) -> Result<String, OpsError> {
    let mut tx = services.store.begin().await?;
    tx.reserve_ids(Reserved::default()).await?;
    let account = known(tx.account_by_login(login).await?, login)?;
    if account.kind == Kind::Reseller {
        return Err(OpsError::BadValue {
            field: "login",
            reason: format!("{login} is a reseller: requests of the subaccounts API are signed by clients"),
        });
    }
    if !anew && let Some(sealed) = tx.signing_secret(account.id).await? {
        return open_signing(services, account.id, &sealed);
    }
    let secret = random_text(KEY_CHARS);
    let sealed =
        services.secrets.load().seal(Purpose::SigningSecret, &account.id.to_string(), secret.as_bytes());
    tx.set_signing_secret(account.id, &sealed).await?;
    tx.append_feed(FEED_ACCOUNT, account.id, services.clock.now()).await?;
    tx.commit().await?;
    Ok(secret)
}

/// Decrypts an account's signing secret.
pub fn open_signing(
    services: &Services,
    account_id: i64,
    sealed: &crate::secrets::Sealed,
) -> Result<String, OpsError> {
    let opened = services.secrets.load().open_sealed(Purpose::SigningSecret, &account_id.to_string(), sealed);
    let text = opened.map_err(ServiceError::from)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Re-encrypts every signing secret with the current key; returns how many were under another one.
pub async fn seal_anew(store: &Store, secrets: &Secrets) -> Result<usize, OpsError> {
    let mut sealed_anew = 0;
    loop {
        let mut tx = store.begin().await?;
        tx.reserve_ids(Reserved::default()).await?;
        let kept = tx.signing_under_other_key(secrets.current_id(), SEALED_AT_ONCE).await?;
        if kept.is_empty() {
            tx.rollback().await?;
            return Ok(sealed_anew);
        }
        for (account_id, old) in &kept {
            let subject = account_id.to_string();
            let plain =
                secrets.open_sealed(Purpose::SigningSecret, &subject, old).map_err(ServiceError::from)?;
            tx.set_signing_secret(*account_id, &secrets.seal(Purpose::SigningSecret, &subject, &plain))
                .await?;
        }
        tx.commit().await?;
        sealed_anew += kept.len();
    }
}

fn known(account: Option<AccountRecord>, login: &str) -> Result<AccountRecord, OpsError> {
    account.ok_or_else(|| OpsError::UnknownAccount(login.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::keys::Keys;

    fn record(id: i64, key: &str) -> KeyRecord {
        let created_at = jiff::Timestamp::UNIX_EPOCH;
        KeyRecord { id, account_id: 100, digest: digest(key), numbers: false, created_at, revoked_at: None }
    }

    #[test]
    fn a_key_that_is_no_longer_of_its_account_is_nobodys() {
        let keys = Keys::default();
        keys.put(&record(1, "one"));
        keys.put(&record(2, "two"));
        assert_eq!(keys.holder(&digest("one")).unwrap().key_id, 1);
        keys.replace(100, &[record(2, "two"), record(3, "three")]);
        assert_eq!(keys.holder(&digest("one")), None);
        assert_eq!(keys.holder(&digest("two")).unwrap().key_id, 2);
        assert_eq!(keys.holder(&digest("three")).unwrap().key_id, 3);
    }

    #[test]
    fn keys_are_190_bits_of_letters_and_digits() {
        let (one, two) = (random_text(KEY_CHARS), random_text(KEY_CHARS));
        assert_ne!(one, two);
        assert!(one.len() == KEY_CHARS && one.bytes().all(|b| b.is_ascii_alphanumeric()));
    }
}
