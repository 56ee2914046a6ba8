//! API keys, passwords and signing secrets.

use jiff::Timestamp;

use super::{Session, Store, StoreError, Tx, from_micros, on, row, to_micros};
use crate::secrets::Sealed;

const INSERT: &str = include_str!("../../sql/queries/keys_insert.sql");
const OF: &str = include_str!("../../sql/queries/keys_of.sql");
const BY_ID: &str = include_str!("../../sql/queries/keys_by_id.sql");
const PAGE: &str = include_str!("../../sql/queries/keys_page.sql");
const REVOKE: &str = include_str!("../../sql/queries/keys_revoke.sql");
const PASSWORD: &str = include_str!("../../sql/queries/credentials_password.sql");
const SET_PASSWORD: &str = include_str!("../../sql/queries/credentials_set_password.sql");
const SIGNING: &str = include_str!("../../sql/queries/credentials_signing.sql");
const SET_SIGNING: &str = include_str!("../../sql/queries/credentials_set_signing.sql");
const SIGNING_UNDER_OTHER_KEY: &str =
    include_str!("../../sql/queries/credentials_signing_under_other_key.sql");

/// Number of rows per page when everything is loaded.
const PAGE_ROWS: i64 = 5_000;

row! {
    struct KeyRow {
        id: i64,
        account_id: i64,
        digest: Vec<u8>,
        numbers: i64,
        created_at_us: i64,
        revoked_at_us: Option<i64>,
    }
}

/// An API key as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRecord {
    /// Id: the feed position of the change that created it.
    pub id: i64,
    /// Id of the account.
    pub account_id: i64,
    /// SHA-256 of the key.
    pub digest: [u8; 32],
    /// True if the subaccounts API answers this key with numbers.
    pub numbers: bool,
    /// Time of creation.
    pub created_at: Timestamp,
    /// Time of revocation.
    pub revoked_at: Option<Timestamp>,
}

impl KeyRow {
    fn record(self) -> Result<KeyRecord, StoreError> {
        let digest = self.digest.try_into().map_err(|_| StoreError::Inconsistent {
            table: "api_keys",
            reason: format!("the digest of key {} is not one", self.id),
        })?;
        Ok(KeyRecord {
            id: self.id,
            account_id: self.account_id,
            digest,
            numbers: self.numbers != 0,
            created_at: from_micros(self.created_at_us),
            revoked_at: self.revoked_at_us.map(from_micros),
        })
    }
}

fn records(rows: Vec<KeyRow>) -> Result<Vec<KeyRecord>, StoreError> {
    rows.into_iter().map(KeyRow::record).collect()
}

async fn keys_of(session: &mut impl Session, account_id: i64) -> Result<Vec<KeyRecord>, StoreError> {
    records(on!(session, c => sqlx::query_as(OF).bind(account_id).fetch_all(c).await)?)
}

fn sealed(row: Option<(Option<i64>, Option<Vec<u8>>)>) -> Option<Sealed> {
    let (key_id, bytes) = row?;
    Some(Sealed { key_id: u16::try_from(key_id?).ok()?, bytes: bytes? })
}

async fn signing(session: &mut impl Session, account_id: i64) -> Result<Option<Sealed>, StoreError> {
    Ok(sealed(on!(session, c => sqlx::query_as(SIGNING).bind(account_id).fetch_optional(c).await)?))
}

impl Tx {
    /// Inserts a key.
    pub async fn insert_key(&mut self, key: &KeyRecord) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(INSERT)
            .bind(key.id)
            .bind(key.account_id)
            .bind(key.digest.as_slice())
            .bind(i64::from(key.numbers))
            .bind(to_micros(key.created_at))
            .execute(c).await.map(drop))?;
        Ok(())
    }

    /// Reads an account's unrevoked keys, oldest first.
    pub async fn keys_of(&mut self, account_id: i64) -> Result<Vec<KeyRecord>, StoreError> {
        let all = keys_of(self, account_id).await?;
        Ok(all.into_iter().filter(|key| key.revoked_at.is_none()).collect())
    }

    /// Reads a key by its id.
    pub async fn key_by_id(&mut self, id: i64) -> Result<Option<KeyRecord>, StoreError> {
        let row: Option<KeyRow> = on!(self, c => sqlx::query_as(BY_ID).bind(id).fetch_optional(c).await)?;
        row.map(KeyRow::record).transpose()
    }

    /// Revokes a key.
    pub async fn revoke_key(&mut self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(REVOKE).bind(id).bind(to_micros(at)).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Sets the hash of an account's password.
    pub async fn set_password(&mut self, account_id: i64, hash: &str) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(SET_PASSWORD).bind(account_id).bind(hash).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Reads the hash of an account's password.
    pub async fn password(&mut self, account_id: i64) -> Result<Option<String>, StoreError> {
        let row: Option<(Option<String>,)> =
            on!(self, c => sqlx::query_as(PASSWORD).bind(account_id).fetch_optional(c).await)?;
        Ok(row.and_then(|(hash,)| hash))
    }

    /// Reads an account's signing secret, encrypted.
    pub async fn signing_secret(&mut self, account_id: i64) -> Result<Option<Sealed>, StoreError> {
        signing(self, account_id).await
    }

    /// Sets an account's signing secret.
    pub async fn set_signing_secret(&mut self, account_id: i64, secret: &Sealed) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(SET_SIGNING)
            .bind(account_id)
            .bind(i64::from(secret.key_id))
            .bind(secret.bytes.as_slice())
            .execute(c).await.map(drop))?;
        Ok(())
    }

    /// Reads accounts whose signing secret is encrypted with a key other than this one.
    pub async fn signing_under_other_key(
        &mut self,
        key_id: u16,
        limit: i64,
    ) -> Result<Vec<(i64, Sealed)>, StoreError> {
        let rows: Vec<(i64, i64, Vec<u8>)> = on!(self, c => sqlx::query_as(SIGNING_UNDER_OTHER_KEY)
            .bind(i64::from(key_id)).bind(limit).fetch_all(c).await)?;
        let sealed = |(id, key, bytes): (i64, i64, Vec<u8>)| {
            Some((id, Sealed { key_id: u16::try_from(key).ok()?, bytes }))
        };
        Ok(rows.into_iter().filter_map(sealed).collect())
    }
}

impl Store {
    /// Reads the next page of unrevoked keys after an id, by id; empty at the end.
    pub async fn keys_after(&self, id: i64) -> Result<Vec<KeyRecord>, StoreError> {
        let mut reader = self.reader().await?;
        records(on!(&mut reader, c => sqlx::query_as(PAGE).bind(id).bind(PAGE_ROWS).fetch_all(c).await)?)
    }

    /// Reads an account's keys, revoked ones included, oldest first.
    pub async fn keys_of(&self, account_id: i64) -> Result<Vec<KeyRecord>, StoreError> {
        keys_of(&mut self.reader().await?, account_id).await
    }

    /// Reads the hash of an account's password.
    pub async fn password(&self, account_id: i64) -> Result<Option<String>, StoreError> {
        let mut reader = self.reader().await?;
        let row: Option<(Option<String>,)> =
            on!(&mut reader, c => sqlx::query_as(PASSWORD).bind(account_id).fetch_optional(c).await)?;
        Ok(row.and_then(|(hash,)| hash))
    }

    /// Reads an account's signing secret, encrypted.
    pub async fn signing_secret(&self, account_id: i64) -> Result<Option<Sealed>, StoreError> {
        signing(&mut self.reader().await?, account_id).await
    }
}
