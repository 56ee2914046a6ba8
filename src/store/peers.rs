//! Peers: SIP accounts, peers authenticated by address, web phones.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::Serialize;

use super::{Session, Store, StoreError, Tx, from_micros, on, row, to_micros};
use crate::secrets::Sealed;

const INSERT: &str = include_str!("../../sql/queries/peers_insert.sql");
const OF: &str = include_str!("../../sql/queries/peers_of.sql");
const PAGE: &str = include_str!("../../sql/queries/peers_page.sql");
const BY_NAME: &str = include_str!("../../sql/queries/peers_by_name.sql");
const OF_SIP_ACCOUNT: &str = include_str!("../../sql/queries/peers_of_sip_account.sql");
const OF_ADDRESS: &str = include_str!("../../sql/queries/peers_of_address.sql");
const WITHOUT_SECRET: &str = include_str!("../../sql/queries/peers_without_secret.sql");
const UNDER_OTHER_KEY: &str = include_str!("../../sql/queries/peers_under_other_key.sql");
const COUNT: &str = include_str!("../../sql/queries/peers_count.sql");
const ACTIVE_ADDRESSES: &str = include_str!("../../sql/queries/peers_active_addresses.sql");
const SET_ACTIVE: &str = include_str!("../../sql/queries/peers_set_active.sql");
const SET_STATE: &str = include_str!("../../sql/queries/peers_set_state.sql");
const PENDING_ADDRESSES: &str = include_str!("../../sql/queries/peers_pending_addresses.sql");
const ADDRESSES_IN_FORCE: &str = include_str!("../../sql/queries/peers_addresses_in_force.sql");
const CLAIMING_ADDRESS: &str = include_str!("../../sql/queries/peers_claiming_address.sql");
const ADDRESSES_BELOW: &str = include_str!("../../sql/queries/peers_addresses_below.sql");
const SET_SECRET: &str = include_str!("../../sql/queries/peers_set_secret.sql");
const DELETE: &str = include_str!("../../sql/queries/peers_delete.sql");
const NAME_DELETE: &str = include_str!("../../sql/queries/names_delete.sql");

/// Number of rows per page when everything is loaded.
const PAGE_ROWS: i64 = 5_000;

/// Kind of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PeerKind {
    /// A SIP account: identified by its name, always with a password.
    Sip,
    /// `<sip account>_ipaN`: identified by the source address of its requests alone.
    Ipa,
    /// `<login>_webN`: a web phone, identified like a SIP account.
    Web,
}

impl PeerKind {
    /// Returns the name that is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sip => "sip",
            Self::Ipa => "ipa",
            Self::Web => "web",
        }
    }

    /// Parses a name returned by [`PeerKind::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Sip, Self::Ipa, Self::Web].into_iter().find(|kind| kind.as_str() == text)
    }

    /// Reports whether it is identified by its name and a password.
    pub const fn has_password(self) -> bool {
        matches!(self, Self::Sip | Self::Web)
    }
}

row! {
    struct PeerRow {
        peer_id: i64,
        name: String,
        account_id: i64,
        kind: String,
        main: i64,
        active: i64,
        approved: i64,
        sip_account: Option<String>,
        source_ip: Option<String>,
        number: Option<i64>,
        secret_key_id: Option<i64>,
        secret: Option<Vec<u8>>,
        created_at_us: i64,
        changed_at_us: i64,
    }
}

/// A peer as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRecord {
    /// Id, never reused: the feed position of the change that created it.
    pub id: i64,
    /// Name of the endpoint, in one namespace with logins.
    pub name: String,
    /// Account that pays for its calls.
    pub account_id: i64,
    /// Kind of the peer.
    pub kind: PeerKind,
    /// True for its account's main SIP account.
    pub main: bool,
    /// True if the peer is enabled; independent of its account's `active`.
    pub active: bool,
    /// For an `_ipaN`: true if its claim of the address is approved; otherwise the claim is pending.
    pub approved: bool,
    /// For an `_ipaN`: the SIP account it belongs to.
    pub sip_account: Option<String>,
    /// For an `_ipaN`: the source address of its requests.
    pub source: Option<Ipv4Addr>,
    /// The N of `_ipaN` and `_webN`.
    pub number: Option<u32>,
    /// Encrypted password; `None` for an `_ipaN`, and for a SIP account older than passwords.
    pub secret: Option<Sealed>,
    /// Time of creation.
    pub created_at: Timestamp,
    /// Time of the last change.
    pub changed_at: Timestamp,
}

impl PeerRecord {
    /// Returns the state of an `_ipaN` as a word.
    pub const fn state(&self) -> &'static str {
        match (self.active, self.approved) {
            (false, _) => "disabled",
            (true, false) => "pending",
            (true, true) => "active",
        }
    }
}

impl PeerRow {
    fn record(self) -> Result<PeerRecord, StoreError> {
        let wrong = |what: &str| StoreError::Inconsistent {
            table: "peers",
            reason: format!("peer {}: {what}", self.name),
        };
        let secret = match (self.secret_key_id, self.secret) {
            (Some(key_id), Some(bytes)) => {
                Some(Sealed { key_id: u16::try_from(key_id).map_err(|_| wrong("secret_key_id"))?, bytes })
            }
            _ => None,
        };
        Ok(PeerRecord {
            kind: PeerKind::parse(&self.kind).ok_or_else(|| wrong("kind"))?,
            source: self
                .source_ip
                .as_deref()
                .map(|text| text.parse().map_err(|_| wrong("source_ip")))
                .transpose()?,
            number: self.number.map(|n| u32::try_from(n).map_err(|_| wrong("number"))).transpose()?,
            id: self.peer_id,
            account_id: self.account_id,
            main: self.main != 0,
            active: self.active != 0,
            approved: self.approved != 0,
            sip_account: self.sip_account,
            secret,
            created_at: from_micros(self.created_at_us),
            changed_at: from_micros(self.changed_at_us),
            name: self.name,
        })
    }
}

fn records(rows: Vec<PeerRow>) -> Result<Vec<PeerRecord>, StoreError> {
    rows.into_iter().map(PeerRow::record).collect()
}

/// Reads a peer by its name as this session sees it.
async fn by_name(session: &mut impl Session, name: &str) -> Result<Option<PeerRecord>, StoreError> {
    // No name contains NUL, and `PostgreSQL` does not accept it in a text.
    if name.contains('\0') {
        return Ok(None);
    }
    let row: Option<PeerRow> = on!(session, c => sqlx::query_as(BY_NAME).bind(name).fetch_optional(c).await)?;
    row.map(PeerRow::record).transpose()
}

async fn of_sip_account(session: &mut impl Session, name: &str) -> Result<Vec<PeerRecord>, StoreError> {
    records(on!(session, c => sqlx::query_as(OF_SIP_ACCOUNT).bind(name).fetch_all(c).await)?)
}

async fn active_address_peers(session: &mut impl Session) -> Result<i64, StoreError> {
    let (count,): (i64,) = on!(session, c => sqlx::query_as(ACTIVE_ADDRESSES).fetch_one(c).await)?;
    Ok(count)
}

impl Tx {
    /// Inserts a peer whose name is already in the namespace.
    ///
    /// An address that another active `_ipaN` uses is a database error ([`StoreError::unique_violation`]).
    pub async fn insert_peer(&mut self, peer: &PeerRecord) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(INSERT)
            .bind(peer.id)
            .bind(&peer.name)
            .bind(peer.account_id)
            .bind(peer.kind.as_str())
            .bind(i64::from(peer.main))
            .bind(i64::from(peer.active))
            .bind(i64::from(peer.approved))
            .bind(&peer.sip_account)
            .bind(peer.source.map(|ip| ip.to_string()))
            .bind(peer.number.map(i64::from))
            .bind(peer.secret.as_ref().map(|secret| i64::from(secret.key_id)))
            .bind(peer.secret.as_ref().map(|secret| secret.bytes.clone()))
            .bind(to_micros(peer.created_at))
            .bind(to_micros(peer.changed_at))
            .execute(c).await.map(drop))?;
        Ok(())
    }

    /// Reads a peer within this transaction.
    pub async fn peer_by_name(&mut self, name: &str) -> Result<Option<PeerRecord>, StoreError> {
        by_name(self, name).await
    }

    /// Reads the `_ipaN` in force with an address.
    pub async fn peer_of_address(&mut self, ip: Ipv4Addr) -> Result<Option<PeerRecord>, StoreError> {
        let row: Option<PeerRow> =
            on!(self, c => sqlx::query_as(OF_ADDRESS).bind(ip.to_string()).fetch_optional(c).await)?;
        row.map(PeerRow::record).transpose()
    }

    /// Reads the `_ipaN` of a SIP account, by N.
    pub async fn address_peers_of(&mut self, sip_account: &str) -> Result<Vec<PeerRecord>, StoreError> {
        of_sip_account(self, sip_account).await
    }

    /// Reads an account's peers: the main one first, then by age.
    pub async fn peers_of(&mut self, account_id: i64) -> Result<Vec<PeerRecord>, StoreError> {
        records(on!(self, c => sqlx::query_as(OF).bind(account_id).fetch_all(c).await)?)
    }

    /// Counts an account's peers of a kind.
    pub async fn count_peers(&mut self, account_id: i64, kind: PeerKind) -> Result<i64, StoreError> {
        let (count,): (i64,) =
            on!(self, c => sqlx::query_as(COUNT).bind(account_id).bind(kind.as_str()).fetch_one(c).await)?;
        Ok(count)
    }

    /// Enables or disables a peer. As with [`Tx::insert_peer`] its address may already be in use.
    pub async fn set_peer_active(
        &mut self,
        name: &str,
        active: bool,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(SET_ACTIVE).bind(name).bind(i64::from(active)).bind(to_micros(at))
            .execute(c).await.map(drop))?;
        Ok(())
    }

    /// Enables or disables a peer, and approves or suspends its claim. As with [`Tx::insert_peer`] its address may
    /// already be in use.
    pub async fn set_peer_state(
        &mut self,
        name: &str,
        active: bool,
        approved: bool,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(SET_STATE).bind(name).bind(i64::from(active)).bind(i64::from(approved))
            .bind(to_micros(at)).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Counts the `_ipaN` of an account and all accounts below it, in force or not.
    pub async fn count_addresses_below(&mut self, account_id: i64) -> Result<i64, StoreError> {
        let (count,): (i64,) =
            on!(self, c => sqlx::query_as(ADDRESSES_BELOW).bind(account_id).fetch_one(c).await)?;
        Ok(count)
    }

    /// Counts the enabled `_ipaN` with approved claims.
    pub async fn active_address_peers(&mut self) -> Result<i64, StoreError> {
        active_address_peers(self).await
    }

    /// Sets a peer's encrypted password.
    pub async fn set_peer_secret(
        &mut self,
        name: &str,
        secret: &Sealed,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(SET_SECRET).bind(name).bind(i64::from(secret.key_id))
            .bind(secret.bytes.clone()).bind(to_micros(at)).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Deletes a peer, and its name from the namespace.
    pub async fn delete_peer(&mut self, name: &str) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(DELETE).bind(name).execute(c).await.map(drop))?;
        on!(self, c => sqlx::query(NAME_DELETE).bind(name).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Reads a limited number of peers that must have a password and have none.
    pub async fn peers_without_secret(&mut self, limit: i64) -> Result<Vec<PeerRecord>, StoreError> {
        records(on!(self, c => sqlx::query_as(WITHOUT_SECRET).bind(limit).fetch_all(c).await)?)
    }

    /// Reads a limited number of peers whose password is encrypted with a key other than this one, by the key.
    pub async fn peers_under_other_key(
        &mut self,
        key_id: u16,
        limit: i64,
    ) -> Result<Vec<PeerRecord>, StoreError> {
        let key_id = i64::from(key_id);
        records(on!(self, c => sqlx::query_as(UNDER_OTHER_KEY).bind(key_id).bind(limit).fetch_all(c).await)?)
    }
}

impl Store {
    /// Reads the next page of peers after a name, by name; empty at the end.
    pub async fn peers_after(&self, name: &str) -> Result<Vec<PeerRecord>, StoreError> {
        let mut reader = self.reader().await?;
        records(on!(&mut reader, c => sqlx::query_as(PAGE).bind(name).bind(PAGE_ROWS).fetch_all(c).await)?)
    }

    /// Reads an account's peers: the main one first, then by age.
    pub async fn peers_of(&self, account_id: i64) -> Result<Vec<PeerRecord>, StoreError> {
        let mut reader = self.reader().await?;
        records(on!(&mut reader, c => sqlx::query_as(OF).bind(account_id).fetch_all(c).await)?)
    }

    /// Reads a peer by its name.
    pub async fn peer_by_name(&self, name: &str) -> Result<Option<PeerRecord>, StoreError> {
        by_name(&mut self.reader().await?, name).await
    }

    /// Reads the `_ipaN` of a SIP account, by N.
    pub async fn address_peers_of(&self, sip_account: &str) -> Result<Vec<PeerRecord>, StoreError> {
        of_sip_account(&mut self.reader().await?, sip_account).await
    }

    /// Reports whether any peer that must have a password has none.
    pub async fn lacks_passwords(&self) -> Result<bool, StoreError> {
        let mut reader = self.reader().await?;
        let found: Vec<PeerRow> =
            on!(&mut reader, c => sqlx::query_as(WITHOUT_SECRET).bind(1_i64).fetch_all(c).await)?;
        Ok(!found.is_empty())
    }

    /// Counts the enabled `_ipaN` with approved claims.
    pub async fn active_address_peers(&self) -> Result<i64, StoreError> {
        active_address_peers(&mut self.reader().await?).await
    }

    /// Reads the `_ipaN` with pending claims, oldest first, at most a thousand.
    pub async fn pending_address_peers(&self) -> Result<Vec<PeerRecord>, StoreError> {
        let mut reader = self.reader().await?;
        records(on!(&mut reader, c => sqlx::query_as(PENDING_ADDRESSES).fetch_all(c).await)?)
    }

    /// Reads every enabled `_ipaN` with an approved claim, oldest first.
    pub async fn address_peers_in_force(&self) -> Result<Vec<PeerRecord>, StoreError> {
        let mut reader = self.reader().await?;
        records(on!(&mut reader, c => sqlx::query_as(ADDRESSES_IN_FORCE).fetch_all(c).await)?)
    }

    /// Reads every `_ipaN` with an address, in force or not, oldest first, at most a thousand.
    pub async fn peers_of_address(&self, ip: Ipv4Addr) -> Result<Vec<PeerRecord>, StoreError> {
        let mut reader = self.reader().await?;
        records(
            on!(&mut reader, c => sqlx::query_as(CLAIMING_ADDRESS).bind(ip.to_string()).fetch_all(c).await)?,
        )
    }
}
