//! `tollgate sip | ipauth`.

use std::collections::HashMap;
use std::fmt::Write as _;

use clap::Subcommand;
use serde_json::{Value, json};

use super::answer::{Answer, Failure, Outcome};
use super::secret_input::PasswordInput;
use crate::peers::claims;
use crate::peers::ops::{self, PeerError, WithPassword};
use crate::peers::registrations;
use crate::services::Services;
use crate::sip::rows::CHALLENGED_PBX;
use crate::store::peers::PeerKind;
use crate::store::peers::PeerRecord;

/// `tollgate sip …`
#[derive(Debug, Subcommand)]
pub enum SipCommand {
    /// List a client's SIP accounts
    List {
        /// Login of the client
        login: String,
        /// Include its IP peers and web phones
        #[arg(long)]
        include_service: bool,
    },
    /// Create an additional SIP account with the next free name
    Create {
        /// Login of the client
        login: String,
        /// The source of the password.
        #[command(flatten)]
        password: PasswordInput,
    },
    /// Set a new password for a SIP account
    Password {
        /// Login of the client
        login: String,
        /// Name of the SIP account; the main one by default
        name: Option<String>,
        /// The source of the password.
        #[command(flatten)]
        password: PasswordInput,
    },
    /// Disable a SIP account and its IP peers; its calls end at once
    Disable {
        /// Login of the client
        login: String,
        /// Name of the SIP account; the main one by default
        name: Option<String>,
    },
    /// Enable a SIP account again
    Enable {
        /// Login of the client
        login: String,
        /// Name of the SIP account; the main one by default
        name: Option<String>,
    },
    /// Delete an additional SIP account and its IP peers
    Delete {
        /// Login of the client
        login: String,
        /// Name of the SIP account
        name: String,
    },
}

/// `tollgate ipauth …`
#[derive(Debug, Subcommand)]
pub enum IpauthCommand {
    /// List the IP peers of a SIP account
    List {
        /// The SIP account
        sip_login: String,
    },
    /// Authorize a public IPv4 address to call as a SIP account without a password
    Create {
        /// The SIP account
        sip_login: String,
        /// Public IPv4 address
        ip: String,
    },
    /// List the address claims that await approval or proof
    Pending,
    /// Approve a pending address claim
    Approve {
        /// The SIP account
        sip_login: String,
        /// Id, name or address of the IP peer
        which: String,
    },
    /// Find the IP peers with an address, in force or not
    Find {
        /// Public IPv4 address
        ip: String,
    },
    /// Move an address from its current owner to a SIP account
    Move {
        /// Public IPv4 address
        ip: String,
        /// SIP account that receives the address
        sip_login: String,
    },
    /// Disable an IP peer; its calls end at once
    Disable {
        /// The SIP account
        sip_login: String,
        /// Id, name or address of the IP peer
        which: String,
    },
    /// Enable an IP peer again
    Enable {
        /// The SIP account
        sip_login: String,
        /// Id, name or address of the IP peer
        which: String,
    },
    /// Delete an IP peer
    Delete {
        /// The SIP account
        sip_login: String,
        /// Id, name or address of the IP peer
        which: String,
    },
}

/// Runs `tollgate sip …`.
pub async fn sip(services: &Services, command: SipCommand) -> Outcome {
    match command {
        SipCommand::List { login, include_service } => list(services, &login, include_service).await,
        SipCommand::Create { login, password } => {
            let made = ops::create(services, &login, password.take()?).await?;
            Ok(with_password(&made, "made"))
        }
        SipCommand::Password { login, name, password } => {
            let name = name.unwrap_or_else(|| login.clone());
            let changed = ops::set_password(services, &login, &name, password.take()?).await?;
            Ok(with_password(&changed, "changed"))
        }
        SipCommand::Disable { login, name } => switch(services, &login, name, false).await,
        SipCommand::Enable { login, name } => switch(services, &login, name, true).await,
        SipCommand::Delete { login, name } => {
            let peer = ops::delete(services, &login, &name).await?;
            Ok(Answer::new(
                json!({ "name": peer.name, "deleted": true }),
                format!("SIP account {} deleted", peer.name),
            ))
        }
    }
}

/// Runs `tollgate ipauth …`.
pub async fn ipauth(services: &Services, command: IpauthCommand) -> Outcome {
    let (peer, what) = match command {
        IpauthCommand::List { sip_login } => return list_addresses(services, &sip_login).await,
        IpauthCommand::Create { sip_login, ip } => {
            let peer = claims::create_address(services, &sip_login, &ip).await?;
            let text = format!("IP peer {} ({ip}, id {}) made. {CHALLENGED_PBX}", peer.name, peer.id);
            return Ok(Answer::new(address_json(&peer), text));
        }
        IpauthCommand::Pending => return Ok(claims(&claims::pending_addresses(services).await?)),
        IpauthCommand::Find { ip } => return Ok(claims(&claims::who_claims(services, &ip).await?)),
        IpauthCommand::Approve { sip_login, which } => {
            (claims::approve_address(services, &sip_login, &which).await?, "approved")
        }
        IpauthCommand::Move { ip, sip_login } => {
            (claims::move_address(services, &ip, &sip_login).await?, "has the address now")
        }
        IpauthCommand::Disable { sip_login, which } => {
            (claims::set_address_active(services, &sip_login, &which, false).await?, "switched off")
        }
        IpauthCommand::Enable { sip_login, which } => {
            (claims::set_address_active(services, &sip_login, &which, true).await?, "switched on")
        }
        IpauthCommand::Delete { sip_login, which } => {
            let peer = claims::delete_address(services, &sip_login, &which).await?;
            let mut json = address_json(&peer);
            if let Some(map) = json.as_object_mut() {
                map.insert("deleted".to_owned(), Value::Bool(true));
            }
            return Ok(Answer::new(json, format!("IP peer {} deleted", peer.name)));
        }
    };
    let ip = peer.source.map(|ip| ip.to_string()).unwrap_or_default();
    Ok(Answer::new(address_json(&peer), format!("IP peer {} ({ip}, id {}) {what}", peer.name, peer.id)))
}

async fn switch(services: &Services, login: &str, name: Option<String>, active: bool) -> Outcome {
    let name = name.unwrap_or_else(|| login.to_owned());
    let peer = ops::set_active(services, login, &name, active).await?;
    let text = format!("SIP account {} switched {}", peer.name, if active { "on" } else { "off" });
    // Just after the change no phone is registered: earlier registrations were dropped, and new ones are yet to come.
    Ok(Answer::new(sip_json(&peer, Some(false)), text))
}

async fn list(services: &Services, login: &str, service: bool) -> Outcome {
    let peers = ops::list(services, login, service).await?;
    let registered = registered(services, &peers).await;
    let mut text = format!("{:<34} {:<5} {:<6} registered", "name", "main", "active");
    for peer in &peers {
        let registered = registered.get(&peer.name).map_or("unknown", |registered| yes(*registered));
        let _ =
            write!(text, "\n{:<34} {:<5} {:<6} {registered}", peer.name, yes(peer.main), yes(peer.active));
    }
    let listed: Vec<Value> =
        peers.iter().map(|peer| sip_json(peer, registered.get(&peer.name).copied())).collect();
    Ok(Answer::new(json!({ "login": login, "sip_accounts": listed }), text))
}

async fn list_addresses(services: &Services, sip_account: &str) -> Outcome {
    let peers = claims::list_addresses(services, sip_account).await?;
    let mut text = format!("{:<8} {:<40} {:<15} {:<6} state", "id", "name", "address", "status");
    for peer in &peers {
        let ip = peer.source.map(|ip| ip.to_string()).unwrap_or_default();
        let _ = write!(
            text,
            "\n{:<8} {:<40} {ip:<15} {:<6} {}",
            peer.id,
            peer.name,
            i32::from(peer.active && peer.approved),
            peer.state()
        );
    }
    let listed: Vec<Value> = peers.iter().map(address_json).collect();
    Ok(Answer::new(json!({ "sip_login": sip_account, "ip_auth": listed }), text))
}

/// Formats IP peers of several SIP accounts.
fn claims(peers: &[PeerRecord]) -> Answer {
    let mut text = format!("{:<8} {:<40} {:<15} state", "id", "name", "address");
    for peer in peers {
        let ip = peer.source.map(|ip| ip.to_string()).unwrap_or_default();
        let _ = write!(text, "\n{:<8} {:<40} {ip:<15} {}", peer.id, peer.name, peer.state());
    }
    Answer::new(json!({ "ip_auth": peers.iter().map(address_json).collect::<Vec<_>>() }), text)
}

/// Reports the peers with a registered phone: known only in the server that is linked to Asterisk.
async fn registered(services: &Services, peers: &[PeerRecord]) -> HashMap<String, bool> {
    let Some(links) = services.links.get() else { return HashMap::new() };
    let names: Vec<&str> =
        peers.iter().filter(|peer| peer.kind.has_password()).map(|peer| peer.name.as_str()).collect();
    registrations::registered(links, &names).await
}

fn sip_json(peer: &PeerRecord, registered: Option<bool>) -> Value {
    json!({
        "id": peer.id,
        "name": peer.name,
        "kind": peer.kind.as_str(),
        "main": peer.main,
        "active": peer.active,
        "service": peer.kind != PeerKind::Sip,
        "registered": registered,
        "ip": peer.source.map(|ip| ip.to_string()),
        "created_at": peer.created_at.to_string(),
    })
}

/// Formats an IP peer as the published API does; SIP uses port 5060.
fn address_json(peer: &PeerRecord) -> Value {
    json!({
        "id": peer.id,
        "sip_login": peer.sip_account,
        "peer_name": peer.name,
        "ip": peer.source.map(|ip| ip.to_string()),
        "port": 5060,
        "status": i32::from(peer.active && peer.approved),
        "state": peer.state(),
    })
}

fn with_password(with: &WithPassword, what: &str) -> Answer {
    let mut json = sip_json(&with.peer, Some(false));
    if let Some(map) = json.as_object_mut() {
        map.insert("password".to_owned(), with.password.clone().into());
    }
    let text = format!("SIP account {} {what}; password {} (shown this once)", with.peer.name, with.password);
    Answer::new(json, text)
}

const fn yes(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

impl From<PeerError> for Failure {
    fn from(error: PeerError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
