//! `[fastagi]`, `[realtime]`, `[sip]` and `[[asterisk]]`: the ways between this service and Asterisk.

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

use super::secret::Secret;
use super::secret_file;

/// `[fastagi]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FastAgi {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Networks whose Asterisk servers may ask.
    pub allow: Vec<IpNet>,
    /// Connections served at once; one more is closed at once, and its call refused.
    pub max_connections: usize,
    /// What each answer is proved with towards the dialplan (`TG_PROOF_SECRET` there); none: no proof.
    pub proof_secret: Option<Secret>,
    /// File that holds `proof_secret`.
    pub proof_secret_file: Option<PathBuf>,
    /// Connections of one Asterisk at once; as many as it leaves free when not set.
    pub connections_per_address: Option<usize>,
}

impl Default for FastAgi {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 4573)),
            allow: vec![IpNet::V4(Ipv4Net::new_assert(std::net::Ipv4Addr::new(127, 0, 0, 0), 8))],
            max_connections: 4096,
            proof_secret: None,
            proof_secret_file: None,
            connections_per_address: None,
        }
    }
}

/// `[sip]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sip {
    /// The digest realm; fixed at the first start because digests hold it.
    pub realm: String,
}

impl Default for Sip {
    fn default() -> Self {
        Self { realm: "asterisk".to_owned() }
    }
}

/// `[realtime]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Realtime {
    /// Password that Asterisk reads peers with; derived from the key file when not set.
    pub token: Option<Secret>,
    /// File that holds `token`.
    pub token_file: Option<PathBuf>,
    /// Networks whose Asterisk servers may read peers.
    pub allow: Vec<IpNet>,
}

impl Default for Realtime {
    fn default() -> Self {
        Self {
            token: None,
            token_file: None,
            allow: vec![IpNet::V4(Ipv4Net::new_assert(std::net::Ipv4Addr::new(127, 0, 0, 0), 8))],
        }
    }
}

/// `[[asterisk]]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asterisk {
    /// Its `systemname`.
    pub name: String,
    /// Where its manager interface listens.
    pub host: String,
    /// The manager interface's port.
    #[serde(default = "default_ami_port")]
    pub port: u16,
    /// The manager user.
    pub username: String,
    /// The manager user's secret.
    pub secret: Option<Secret>,
    /// File that holds `secret`.
    pub secret_file: Option<PathBuf>,
    /// Whether TLS is spoken with it.
    #[serde(default)]
    pub tls: bool,
    /// PEM file of the authorities that its certificate may be from; the system's own when not set.
    pub tls_ca: Option<PathBuf>,
    /// The name that its certificate bears; the host when not set.
    pub tls_name: Option<String>,
}

const fn default_ami_port() -> u16 {
    5038
}

impl FastAgi {
    /// Reads the secrets that are kept in files.
    pub(super) fn load_secrets(&mut self) -> Result<(), String> {
        let file = self.proof_secret_file.as_deref();
        secret_file::load("fastagi.proof_secret", &mut self.proof_secret, file)
    }

    /// Checks the section.
    pub(super) fn check(&self) -> Result<(), String> {
        let stands_in_a_dialplan =
            |text: &str| (24..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
        match &self.proof_secret {
            Some(secret) if !stands_in_a_dialplan(secret.reveal()) => {
                let reason = "fastagi.proof_secret must be 24 to 128 letters and digits: it stands in Asterisk's files";
                Err(reason.to_owned())
            }
            _ => Ok(()),
        }
    }
}

impl Sip {
    /// Checks the section.
    pub(super) fn check(&self) -> Result<(), String> {
        let fits = |b: u8| b.is_ascii_graphic() && !matches!(b, b':' | b'"' | b'\\' | b';' | b',');
        if self.realm.is_empty() || self.realm.len() > 64 || !self.realm.bytes().all(fits) {
            let reason =
                "sip.realm must be 1 to 64 printable characters without spaces and none of : \" \\ ; ,";
            return Err(reason.to_owned());
        }
        Ok(())
    }
}

impl Realtime {
    /// Reads the secrets that are kept in files.
    pub(super) fn load_secrets(&mut self) -> Result<(), String> {
        secret_file::load("realtime.token", &mut self.token, self.token_file.as_deref())
    }

    /// Checks the section.
    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(token) = self.token.as_ref().map(Secret::reveal)
            && (token.is_empty() || !token.bytes().all(|b| b.is_ascii_alphanumeric()))
        {
            let reason =
                "realtime.token must be letters and digits, at least one: it stands in Asterisk's files";
            return Err(reason.to_owned());
        }
        Ok(())
    }
}

impl Asterisk {
    /// Reads the secrets that are kept in files.
    pub(super) fn load_secrets(&mut self) -> Result<(), String> {
        secret_file::load("secret", &mut self.secret, self.secret_file.as_deref())
            .map_err(|reason| format!("[[asterisk]] {}: {reason}", self.name))
    }

    /// Checks the section.
    pub(super) fn check(&self) -> Result<(), String> {
        let wrong = |reason: &str| Err(format!("[[asterisk]] {}: {reason}", self.name));
        if self.secret.is_none() {
            return wrong("secret or secret_file is required");
        }
        if !self.tls && (self.tls_ca.is_some() || self.tls_name.is_some()) {
            return wrong("tls_ca and tls_name have no effect without tls = true");
        }
        Ok(())
    }
}
