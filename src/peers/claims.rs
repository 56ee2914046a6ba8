//! IP authorizations of SIP accounts: claimed, approved or proved, bounded in number, revoked by the operator.
//!
//! The account that claims an address gets the calls that come from it, so a claim can need an approval
//! (`peers.ip_approval`): the operator's, or a proof. The proof is a call of that SIP account from that very address,
//! in which Asterisk has checked the account's password: its challenge was sent to the address, so only a host that
//! receives traffic to that address can answer. A pending claim is not an identify in Asterisk and does not prevent
//! other claims of the address.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::join_all;

use super::change::{begin_at, finish, finish_new};
use super::error::{MAX_ADDRESSES, PeerError};
use crate::config::IpApproval;
use crate::services::{FEED_ACCOUNT, Services};
use crate::sip::address;
use crate::sip::name;
use crate::sip::rows::CHALLENGED_PBX;
use crate::store::accounts::Kind;
use crate::store::peers::PeerKind;
use crate::store::peers::PeerRecord;
use crate::store::{StoreError, Tx};

/// Maximum time to resolve a host name. The addresses are remembered for a minute.
const NAME_PATIENCE: Duration = Duration::from_secs(1);
const NAME_KEPT: Duration = Duration::from_mins(1);

/// Lists the IP peers of a SIP account.
pub async fn list_addresses(services: &Services, sip_account: &str) -> Result<Vec<PeerRecord>, PeerError> {
    let unknown = || PeerError::UnknownSipAccount(sip_account.to_owned());
    services
        .store
        .peer_by_name(sip_account)
        .await?
        .filter(|peer| peer.kind == PeerKind::Sip)
        .ok_or_else(unknown)?;
    Ok(services.store.address_peers_of(sip_account).await?)
}

/// Lists the claims that wait for approval or a proof, oldest first.
pub async fn pending_addresses(services: &Services) -> Result<Vec<PeerRecord>, PeerError> {
    Ok(services.store.pending_address_peers().await?)
}

/// Lists the claims of an address by all accounts, in force or not, oldest first.
pub async fn who_claims(services: &Services, ip: &str) -> Result<Vec<PeerRecord>, PeerError> {
    let ip = ip.parse().map_err(|_| address::AddressError::NotIpv4(ip.chars().take(64).collect()))?;
    Ok(services.store.peers_of_address(ip).await?)
}

/// Creates an IP authorization of a SIP account on behalf of the operator.
pub async fn create_address(
    services: &Services,
    sip_account: &str,
    ip: &str,
) -> Result<PeerRecord, PeerError> {
    authorize_address(services, None, sip_account, ip).await
}

/// Claims an address for an account over the API. A SIP account of another account counts as unknown. If
/// `peers.ip_approval` requires an approval, the claim is pending.
pub async fn create_own_address(
    services: &Services,
    account_id: i64,
    sip_account: &str,
    ip: &str,
) -> Result<PeerRecord, PeerError> {
    authorize_address(services, Some(account_id), sip_account, ip).await
}

async fn authorize_address(
    services: &Services,
    owner: Option<i64>,
    sip_account: &str,
    ip: &str,
) -> Result<PeerRecord, PeerError> {
    let ip = address::check(ip, &services.config.peers)?;
    not_our_own(services, ip).await?;
    let (mut tx, above) = begin_at(services, sip_account).await?;
    if owner.is_some_and(|owner| owner != above.account_id) {
        return Err(PeerError::UnknownSipAccount(sip_account.to_owned()));
    }
    let siblings = tx.address_peers_of(sip_account).await?;
    let its = |peer: &&PeerRecord| peer.source == Some(ip) && peer.active;
    if siblings.iter().any(|peer| its(&peer)) || tx.peer_of_address(ip).await?.is_some() {
        return Err(PeerError::AddressTaken(ip));
    }
    let approved = owner.is_none() || services.config.peers.ip_approval == IpApproval::None;
    if siblings.len() >= MAX_ADDRESSES {
        return Err(PeerError::TooManyAddresses(sip_account.to_owned()));
    }
    check_owners(services, &mut tx, above.account_id).await?;
    if approved {
        check_deployment(services, &mut tx).await?;
    }
    let peer = claim(services, &mut tx, &above, &siblings, ip, approved).await?;
    finish_new(services, tx, &peer).await.map_err(|error| taken(error, ip))?;
    if approved {
        tracing::info!(peer.name = %peer.name, peer.address = %ip, "an address speaks for a SIP account. {CHALLENGED_PBX}");
    } else {
        tracing::info!(peer.name = %peer.name, peer.address = %ip, "an address is claimed; the claim is pending");
    }
    Ok(peer)
}

/// Builds an IP peer that is not written yet.
async fn claim(
    services: &Services,
    tx: &mut Tx,
    above: &PeerRecord,
    siblings: &[PeerRecord],
    ip: Ipv4Addr,
    approved: bool,
) -> Result<PeerRecord, PeerError> {
    let number = name::lowest_free(siblings.iter().filter_map(|peer| peer.number));
    let now = services.clock.now();
    Ok(PeerRecord {
        id: tx.append_feed(FEED_ACCOUNT, above.account_id, now).await?,
        name: name::address_peer(&above.name, number),
        account_id: above.account_id,
        kind: PeerKind::Ipa,
        main: false,
        active: true,
        approved,
        sip_account: Some(above.name.clone()),
        source: Some(ip),
        number: Some(number),
        secret: None,
        created_at: now,
        changed_at: now,
    })
}

/// Enables or disables an IP peer of a SIP account; `which` is its id, its name or its address. A pending peer stays
/// pending, unless no approval is required any more.
pub async fn set_address_active(
    services: &Services,
    sip_account: &str,
    which: &str,
    active: bool,
) -> Result<PeerRecord, PeerError> {
    if active {
        // Read before the transaction: an address never changes.
        let peers = services.store.address_peers_of(sip_account).await?;
        if let Some(ip) = found_among(&peers, which).and_then(|peer| peer.source) {
            not_our_own(services, ip).await?;
        }
    }
    let (mut tx, above) = begin_at(services, sip_account).await?;
    let peer = address_peer(&mut tx, sip_account, which).await?;
    let approved = peer.approved || (active && services.config.peers.ip_approval == IpApproval::None);
    let comes_into_force = active && approved && !(peer.active && peer.approved);
    if let Some(ip) = peer.source.filter(|_| comes_into_force) {
        may_come_into_force(services, &mut tx, ip).await?;
    }
    let switched = PeerRecord { active, approved, changed_at: services.clock.now(), ..peer };
    write(services, tx, &above, &switched).await?;
    Ok(switched)
}

/// Approves a pending IP peer of a SIP account on behalf of the operator; `which` as in [`set_address_active`].
pub async fn approve_address(
    services: &Services,
    sip_account: &str,
    which: &str,
) -> Result<PeerRecord, PeerError> {
    let peers = services.store.address_peers_of(sip_account).await?;
    let which = pending_first(&peers, which);
    approve(services, sip_account, &which).await.inspect(|peer| {
        tracing::warn!(
            audit = "ipauth",
            peer.name = %peer.name,
            peer.address = ?peer.source,
            "the operator approved an address"
        );
    })
}

/// Approves the pending claim of an address that a call of the SIP account has proved, if `peers.ip_approval` waits for
/// proofs. Returns whether there was one.
pub async fn prove_address(services: &Services, sip_account: &str, ip: Ipv4Addr) -> Result<bool, PeerError> {
    if services.config.peers.ip_approval != IpApproval::Proof {
        return Ok(false);
    }
    let peers = services.store.address_peers_of(sip_account).await?;
    let Some(claim) = peers.iter().find(|peer| peer.source == Some(ip) && peer.active && !peer.approved)
    else {
        return Ok(false);
    };
    let peer = approve(services, sip_account, &claim.name).await?;
    tracing::info!(peer.name = %peer.name, peer.address = %ip, "a call proved the claim of an address");
    Ok(true)
}

async fn approve(services: &Services, sip_account: &str, which: &str) -> Result<PeerRecord, PeerError> {
    let known = services.store.address_peers_of(sip_account).await?;
    if let Some(ip) = found_among(&known, which).and_then(|peer| peer.source) {
        not_our_own(services, ip).await?;
    }
    let (mut tx, above) = begin_at(services, sip_account).await?;
    let peer = address_peer(&mut tx, sip_account, which).await?;
    if peer.approved {
        return Err(PeerError::Approved(peer.name));
    }
    if let Some(ip) = peer.source.filter(|_| peer.active) {
        may_come_into_force(services, &mut tx, ip).await?;
    }
    let approved = PeerRecord { approved: true, changed_at: services.clock.now(), ..peer };
    write(services, tx, &above, &approved).await?;
    Ok(approved)
}

/// Moves an address from its present owner to a SIP account on behalf of the operator: the peer that had it is
/// disabled, which its owner can see.
pub async fn move_address(services: &Services, ip: &str, sip_account: &str) -> Result<PeerRecord, PeerError> {
    let ip = address::check(ip, &services.config.peers)?;
    not_our_own(services, ip).await?;
    let (mut tx, above) = begin_at(services, sip_account).await?;
    let holder = tx.peer_of_address(ip).await?;
    if let Some(holder) = &holder
        && holder.sip_account.as_deref() == Some(sip_account)
    {
        return Ok(holder.clone());
    }
    let now = services.clock.now();
    match &holder {
        Some(holder) => {
            tx.set_peer_state(&holder.name, false, holder.approved, now).await?;
            tx.append_feed(FEED_ACCOUNT, holder.account_id, now).await?;
        }
        None => check_deployment(services, &mut tx).await?,
    }
    let siblings = tx.address_peers_of(sip_account).await?;
    let known = siblings.iter().rev().find(|peer| peer.source == Some(ip));
    let peer = match known {
        Some(known) => {
            tx.set_peer_state(&known.name, true, true, now).await?;
            tx.append_feed(FEED_ACCOUNT, above.account_id, now).await?;
            PeerRecord { active: true, approved: true, changed_at: now, ..known.clone() }
        }
        None if siblings.len() >= MAX_ADDRESSES => {
            return Err(PeerError::TooManyAddresses(sip_account.to_owned()));
        }
        None => {
            let peer = claim(services, &mut tx, &above, &siblings, ip, true).await?;
            tx.insert_name(&peer.name, peer.account_id).await?;
            tx.insert_peer(&peer).await?;
            peer
        }
    };
    tx.commit().await?;
    if let Some(holder) = &holder {
        services.reload_account(holder.account_id).await?;
    }
    services.reload_account(above.account_id).await?;
    tracing::warn!(
        audit = "ipauth",
        peer.address = %ip,
        peer.from = holder.as_ref().map_or("nobody", |holder| holder.name.as_str()),
        peer.to = %peer.name,
        "the operator moved an address"
    );
    Ok(peer)
}

/// Deletes an IP peer of a SIP account; `which` as in [`set_address_active`].
pub async fn delete_address(
    services: &Services,
    sip_account: &str,
    which: &str,
) -> Result<PeerRecord, PeerError> {
    let (mut tx, above) = begin_at(services, sip_account).await?;
    let peer = address_peer(&mut tx, sip_account, which).await?;
    tx.delete_peer(&peer.name).await?;
    tx.append_feed(FEED_ACCOUNT, above.account_id, services.clock.now()).await?;
    finish(services, tx, above.account_id).await?;
    Ok(peer)
}

/// Writes a peer's enabled and approved flags.
async fn write(
    services: &Services,
    mut tx: Tx,
    above: &PeerRecord,
    peer: &PeerRecord,
) -> Result<(), PeerError> {
    let written = tx.set_peer_state(&peer.name, peer.active, peer.approved, peer.changed_at).await;
    written.map_err(|error| match peer.source {
        Some(ip) => taken(error.into(), ip),
        None => error.into(),
    })?;
    tx.append_feed(FEED_ACCOUNT, above.account_id, peer.changed_at).await?;
    finish(services, tx, above.account_id).await
}

/// Checks again the conditions that may have changed since the claim: the address is allowed, no other peer has it, and
/// the deployment is below its limit.
async fn may_come_into_force(services: &Services, tx: &mut Tx, ip: Ipv4Addr) -> Result<(), PeerError> {
    address::check(&ip.to_string(), &services.config.peers)?;
    if tx.peer_of_address(ip).await?.is_some() {
        return Err(PeerError::AddressTaken(ip));
    }
    check_deployment(services, tx).await
}

/// Checks the limits of the client and of each reseller above it. Claims that are not in force count too: each is a
/// row.
async fn check_owners(services: &Services, tx: &mut Tx, account_id: i64) -> Result<(), PeerError> {
    let settings = &services.config.peers;
    let mut next = Some(account_id);
    while let Some(id) = next {
        let Some(account) = tx.account_by_id(id).await? else { break };
        let bound = match account.kind {
            // Its client's limit applies to it.
            Kind::Subaccount => None,
            Kind::Client => Some(("the client and its subaccounts have", settings.ips_per_client)),
            Kind::Reseller => Some(("the reseller's clients have", settings.ips_per_reseller)),
        };
        if let Some((whose, limit)) = bound
            && tx.count_addresses_below(id).await? >= i64::from(limit)
        {
            return Err(PeerError::AddressLimit { whose, limit });
        }
        next = account.parent_id;
    }
    Ok(())
}

/// Checks the limit of the deployment: Asterisk compares each of these addresses with every request that no name
/// matches.
async fn check_deployment(services: &Services, tx: &mut Tx) -> Result<(), PeerError> {
    let limit = services.config.peers.ips_in_all;
    if tx.active_address_peers().await? >= i64::from(limit) {
        return Err(PeerError::AddressLimit { whose: "all accounts together have", limit });
    }
    Ok(())
}

async fn address_peer(tx: &mut Tx, sip_account: &str, which: &str) -> Result<PeerRecord, PeerError> {
    let peers = tx.address_peers_of(sip_account).await?;
    found_among(&peers, which).cloned().ok_or_else(|| PeerError::UnknownAddress {
        sip_account: sip_account.to_owned(),
        which: which.to_owned(),
    })
}

/// Finds the IP peer of this id, name or address.
fn found_among<'a>(peers: &'a [PeerRecord], which: &str) -> Option<&'a PeerRecord> {
    let names = |peer: &&PeerRecord| peer.name == which || peer.id.to_string() == which;
    let has = |peer: &&PeerRecord| peer.source.is_some_and(|ip| ip.to_string() == which);
    // Among several peers that had an address in succession, prefer the enabled one, else the newest.
    let is_on = |peer: &&PeerRecord| has(peer) && peer.active;
    peers.iter().find(names).or_else(|| peers.iter().find(is_on)).or_else(|| peers.iter().rev().find(has))
}

/// Returns the name of the pending peer if several had the address `which`; else `which` itself.
fn pending_first(peers: &[PeerRecord], which: &str) -> String {
    let meant = |peer: &&PeerRecord| !peer.approved && peer.source.is_some_and(|ip| ip.to_string() == which);
    peers.iter().find(meant).map_or_else(|| which.to_owned(), |peer| peer.name.clone())
}

/// Refuses an address of the operator's servers or carriers for customers.
async fn not_our_own(services: &Services, ip: Ipv4Addr) -> Result<(), PeerError> {
    match own_address(services, ip).await? {
        Some(whose) => Err(PeerError::OwnAddress { ip, whose }),
        None => Ok(()),
    }
}

/// Returns the owner of an address of the operator's own: `peers.own_ips`, an Asterisk server, a trunk. Host names are
/// resolved; a name without an address matches nothing.
async fn own_address(services: &Services, ip: Ipv4Addr) -> Result<Option<String>, StoreError> {
    if let Some(whose) = in_own_networks(services, ip) {
        return Ok(Some(whose));
    }
    Ok(own_hosts(services).await?.remove(&ip))
}

fn in_own_networks(services: &Services, ip: Ipv4Addr) -> Option<String> {
    let own = services.config.peers.own_ips.iter().any(|net| net.contains(&ip));
    own.then(|| "the operator (peers.own_ips)".to_owned())
}

/// Returns the addresses of the Asterisk servers and trunks, each with its owner.
async fn own_hosts(services: &Services) -> Result<HashMap<Ipv4Addr, String>, StoreError> {
    let trunks = services.store.trunks().await?;
    let servers = services.config.asterisk.iter();
    let servers = servers.map(|server| (server.host.clone(), format!("the Asterisk server {}", server.name)));
    let trunks = trunks.iter().filter_map(|trunk| {
        let host = trunk.host.as_deref()?;
        let host = host.split([':', ';']).next().unwrap_or(host);
        Some((host.to_owned(), format!("the trunk {}", trunk.name)))
    });
    let looked_up = servers.chain(trunks).map(async |(host, whose)| (addresses_of(&host).await, whose));
    let found = join_all(looked_up).await;
    let each = found
        .into_iter()
        .flat_map(|(addresses, whose)| addresses.into_iter().map(move |address| (address, whose.clone())));
    Ok(each.collect())
}

/// Lists IP peers in force whose address now belongs to the operator, with its owner: a trunk was added after them.
pub async fn own_addresses_claimed(services: &Services) -> Result<Vec<(PeerRecord, String)>, PeerError> {
    let hosts = own_hosts(services).await?;
    let mut claimed = Vec::new();
    let in_force = services.store.address_peers_in_force().await?;
    for peer in in_force {
        let Some(ip) = peer.source else { continue };
        if let Some(whose) = in_own_networks(services, ip).or_else(|| hosts.get(&ip).cloned()) {
            claimed.push((peer, whose));
        }
    }
    Ok(claimed)
}

/// Addresses of hosts by name, with the time of their resolution.
type KnownHosts = HashMap<String, (Instant, Vec<Ipv4Addr>)>;

/// Resolves a host's addresses and remembers them for a minute: repeated claims do not query the name server
/// repeatedly.
async fn addresses_of(host: &str) -> Vec<Ipv4Addr> {
    static KNOWN: LazyLock<Mutex<KnownHosts>> = LazyLock::new(Mutex::default);
    if let Ok(ip) = host.parse() {
        return vec![ip];
    }
    if host.is_empty() {
        return Vec::new();
    }
    // Whole entries are inserted and read: a panicking holder left it consistent.
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get(host).cloned();
    if let Some((at, addresses)) = known
        && at.elapsed() < NAME_KEPT
    {
        return addresses;
    }
    let asked = tokio::time::timeout(NAME_PATIENCE, tokio::net::lookup_host((host, 0))).await;
    let addresses: Vec<Ipv4Addr> = if let Ok(Ok(found)) = asked {
        found
            .filter_map(|address| match address.ip().to_canonical() {
                std::net::IpAddr::V4(ip) => Some(ip),
                std::net::IpAddr::V6(_) => None,
            })
            .collect()
    } else {
        tracing::debug!(host, "the name of a trunk's or server's host cannot be resolved");
        Vec::new()
    };
    let mut all = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|_, (at, _)| at.elapsed() < NAME_KEPT);
    all.insert(host.to_owned(), (Instant::now(), addresses.clone()));
    addresses
}

/// Converts the database's unique violation, after a concurrent claim of the address, to [`PeerError::AddressTaken`].
fn taken(error: PeerError, ip: Ipv4Addr) -> PeerError {
    match error {
        PeerError::Store(error) if error.unique_violation().is_some() => PeerError::AddressTaken(ip),
        other => other,
    }
}
