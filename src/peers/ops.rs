//! Operations on peers. Each is one transaction in the store, in force in a running server when it returns.
//!
//! Every transaction begins with the counters' lock, so that concurrent choices of a name, and checks of a limit, are
//! serialised; the rules for addresses are database constraints besides.

use super::change::{finish, finish_new};
pub use super::error::PeerError;
use crate::accounts::sip_account::with_password;
use crate::secrets::Secrets;
use crate::services::{FEED_ACCOUNT, Services};
use crate::sip::digest::{self, PasswordError};
use crate::sip::name;
use crate::store::accounts::{AccountRecord, Kind};
use crate::store::peers::PeerKind;
use crate::store::peers::PeerRecord;
use crate::store::{Reserved, Store, Tx};

/// Maximum SIP accounts of a client, the main one included.
pub const MAX_SIP_ACCOUNTS: i64 = 100;
/// Number of the web phone that tokens are issued for.
const FIRST_WEB_PEER: u32 = 1;
/// Names tried for a further SIP account: all others of the client, and as many of other accounts.
const NAME_TRIES: usize = 1_000;
/// Peers re-encrypted per transaction.
const SEALED_AT_ONCE: i64 = 500;

/// A peer with its password, which is shown only once.
#[derive(Clone)]
pub struct WithPassword {
    /// The peer.
    pub peer: PeerRecord,
    /// Its password.
    pub password: String,
}

impl std::fmt::Debug for WithPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WithPassword").field("peer", &self.peer.name).finish_non_exhaustive()
    }
}

/// Creates a further SIP account of a client, with the next free name. The first one of a subaccount, which is created
/// without any, is its main one and has its login as name.
pub async fn create(
    services: &Services,
    login: &str,
    password: Option<String>,
) -> Result<WithPassword, PeerError> {
    let password = chosen(password)?;
    let (mut tx, account) = begin(services, login).await?;
    if tx.count_peers(account.id, PeerKind::Sip).await? >= MAX_SIP_ACCOUNTS {
        return Err(PeerError::TooMany { login: login.to_owned(), limit: MAX_SIP_ACCOUNTS });
    }
    let now = services.clock.now();
    let has_main = tx.peers_of(account.id).await?.iter().any(|peer| peer.main);
    if account.kind == Kind::Subaccount && !has_main {
        let id = tx.append_feed(FEED_ACCOUNT, account.id, now).await?;
        let name = account.login.clone();
        let peer = with_password(services, id, name, account.id, PeerKind::Sip, &password, now);
        let peer = PeerRecord { main: true, ..peer };
        tx.insert_peer(&peer).await?;
        finish(services, tx, account.id).await?;
        return Ok(WithPassword { peer, password });
    }
    let name = free_name(&mut tx, name::further(login), login).await?;
    let id = tx.append_feed(FEED_ACCOUNT, account.id, now).await?;
    let peer = with_password(services, id, name, account.id, PeerKind::Sip, &password, now);
    finish_new(services, tx, &peer).await?;
    Ok(WithPassword { peer, password })
}

/// Sets a new password for the first web phone's peer of a client, which is created if missing. Of two concurrent
/// requests the second waits, and its password is the valid one.
pub async fn rotate_web_secret(services: &Services, login: &str) -> Result<WithPassword, PeerError> {
    let (mut tx, account) = begin(services, login).await?;
    let name = name::web_peer(login, FIRST_WEB_PEER);
    let peer = tx.peer_by_name(&name).await?;
    let Some(peer) = peer.filter(|peer| peer.account_id == account.id && peer.kind == PeerKind::Web) else {
        return insert_web_peer(services, tx, &account, FIRST_WEB_PEER).await;
    };
    let password = digest::generate();
    let sealed = digest::seal(&services.secrets.load(), &name, &password);
    let now = services.clock.now();
    tx.set_peer_secret(&name, &sealed, now).await?;
    tx.append_feed(FEED_ACCOUNT, account.id, now).await?;
    finish(services, tx, account.id).await?;
    Ok(WithPassword { peer: PeerRecord { secret: Some(sealed), changed_at: now, ..peer }, password })
}

async fn insert_web_peer(
    services: &Services,
    mut tx: Tx,
    account: &AccountRecord,
    number: u32,
) -> Result<WithPassword, PeerError> {
    let password = digest::generate();
    let now = services.clock.now();
    let id = tx.append_feed(FEED_ACCOUNT, account.id, now).await?;
    let name = name::web_peer(&account.login, number);
    let peer = PeerRecord {
        number: Some(number),
        ..with_password(services, id, name, account.id, PeerKind::Web, &password, now)
    };
    finish_new(services, tx, &peer).await?;
    Ok(WithPassword { peer, password })
}

/// Sets a SIP account's password to the given one or to a generated one.
pub async fn set_password(
    services: &Services,
    login: &str,
    name: &str,
    password: Option<String>,
) -> Result<WithPassword, PeerError> {
    let password = chosen(password)?;
    let (mut tx, account) = begin(services, login).await?;
    let peer = sip_account(&mut tx, &account, name).await?;
    let sealed = digest::seal(&services.secrets.load(), name, &password);
    let now = services.clock.now();
    tx.set_peer_secret(name, &sealed, now).await?;
    tx.append_feed(FEED_ACCOUNT, account.id, now).await?;
    finish(services, tx, account.id).await?;
    Ok(WithPassword { peer: PeerRecord { secret: Some(sealed), changed_at: now, ..peer }, password })
}

/// Enables or disables a SIP account, and with it its IP peers.
pub async fn set_active(
    services: &Services,
    login: &str,
    name: &str,
    active: bool,
) -> Result<PeerRecord, PeerError> {
    let (mut tx, account) = begin(services, login).await?;
    let peer = sip_account(&mut tx, &account, name).await?;
    let now = services.clock.now();
    tx.set_peer_active(name, active, now).await?;
    tx.append_feed(FEED_ACCOUNT, account.id, now).await?;
    finish(services, tx, account.id).await?;
    Ok(PeerRecord { active, changed_at: now, ..peer })
}

/// Deletes a SIP account and its IP peers. The main one cannot be deleted.
pub async fn delete(services: &Services, login: &str, name: &str) -> Result<PeerRecord, PeerError> {
    let (mut tx, account) = begin(services, login).await?;
    let peer = sip_account(&mut tx, &account, name).await?;
    if peer.main {
        return Err(PeerError::Main(name.to_owned()));
    }
    for address in tx.address_peers_of(name).await? {
        tx.delete_peer(&address.name).await?;
    }
    tx.delete_peer(name).await?;
    tx.append_feed(FEED_ACCOUNT, account.id, services.clock.now()).await?;
    finish(services, tx, account.id).await?;
    Ok(peer)
}

/// Lists an account's SIP accounts, the main one first; with `service` its IP peers and web phones too.
pub async fn list(services: &Services, login: &str, service: bool) -> Result<Vec<PeerRecord>, PeerError> {
    let account = services.store.account_by_login(login).await?;
    let account = with_phones(account, login)?;
    let peers = services.store.peers_of(account.id).await?;
    Ok(peers.into_iter().filter(|peer| service || peer.kind == PeerKind::Sip).collect())
}

/// Re-encrypts every password with the current key; returns how many were under another one.
pub async fn seal_anew(store: &Store, secrets: &Secrets) -> Result<usize, PeerError> {
    let mut sealed_anew = 0;
    loop {
        let mut tx = store.begin().await?;
        // Concurrent changes of these passwords wait.
        tx.reserve_ids(Reserved::default()).await?;
        let peers = tx.peers_under_other_key(secrets.current_id(), SEALED_AT_ONCE).await?;
        if peers.is_empty() {
            tx.rollback().await?;
            return Ok(sealed_anew);
        }
        for peer in &peers {
            let Some(old) = &peer.secret else { continue };
            let password = digest::open(secrets, &peer.name, old)?;
            let sealed = digest::seal(secrets, &peer.name, &password);
            tx.set_peer_secret(&peer.name, &sealed, peer.changed_at).await?;
        }
        tx.commit().await?;
        sealed_anew += peers.len();
    }
}

fn chosen(password: Option<String>) -> Result<String, PasswordError> {
    match password {
        Some(password) => digest::check(&password).map(|()| password),
        None => Ok(digest::generate()),
    }
}

/// Begins a transaction that holds the counters' lock, and reads an account that can have phones.
async fn begin(services: &Services, login: &str) -> Result<(Tx, AccountRecord), PeerError> {
    let mut tx = services.store.begin().await?;
    tx.reserve_ids(Reserved::default()).await?;
    let account = tx.account_by_login(login).await?;
    let account = with_phones(account, login)?;
    if tx.subaccount(account.id).await?.is_some_and(|subaccount| subaccount.deleted) {
        return Err(PeerError::UnknownAccount(login.to_owned()));
    }
    Ok((tx, account))
}

fn with_phones(account: Option<AccountRecord>, login: &str) -> Result<AccountRecord, PeerError> {
    match account {
        None => Err(PeerError::UnknownAccount(login.to_owned())),
        Some(account) if account.kind == Kind::Reseller => Err(PeerError::NoPhones(login.to_owned())),
        Some(account) => Ok(account),
    }
}

/// Reads a SIP account or web phone of an account, by its name.
async fn sip_account(tx: &mut Tx, account: &AccountRecord, name: &str) -> Result<PeerRecord, PeerError> {
    let peer = tx.peer_by_name(name).await?;
    peer.filter(|peer| peer.account_id == account.id && peer.kind == PeerKind::Sip)
        .ok_or_else(|| PeerError::UnknownSipAccount(name.to_owned()))
}

/// Returns the first free name.
async fn free_name(
    tx: &mut Tx,
    names: impl Iterator<Item = String>,
    login: &str,
) -> Result<String, PeerError> {
    for name in names.take(NAME_TRIES) {
        let fits = crate::directory::login::check(&name).is_ok();
        if fits && tx.name_owner(&name).await?.is_none() && !tx.trunk_endpoint_exists(&name).await? {
            return Ok(name);
        }
    }
    Err(PeerError::NoFreeName(login.to_owned()))
}
