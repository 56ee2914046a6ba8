//! What the public HTTP APIs are set up with.

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::secret::Secret;
use super::secret_file;

/// `[http]`: read by the public HTTP APIs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// PEM certificate chain; TLS is spoken when both paths are given.
    pub tls_cert: Option<PathBuf>,
    /// PEM private key.
    pub tls_key: Option<PathBuf>,
    /// The address people reach the API by, for links in answers.
    pub public_url: Option<String>,
    /// Connections kept at once; for one more the one is closed that has waited longest.
    pub max_connections: usize,
    /// Connections of one address kept at once (IPv6: of one /64); those of `trusted_proxies` are not bounded by it.
    pub connections_per_address: usize,
    /// Requests a minute of one key; more are answered 429.
    pub key_requests_per_minute: u32,
    /// Requests a minute of one address that show no good key; more are answered 429.
    pub address_requests_per_minute: u32,
    /// Seconds whose requests may come at once.
    pub burst_seconds: u32,
    /// Proxies whose `X-Forwarded-For` names the address of who asks.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins whose pages may read answers in a browser, for example `https://portal.example`; none by default.
    pub cors_origins: Vec<String>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            tls_cert: None,
            tls_key: None,
            public_url: None,
            max_connections: 1024,
            connections_per_address: 256,
            key_requests_per_minute: 6_000,
            address_requests_per_minute: 120,
            burst_seconds: 5,
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
        }
    }
}

/// Treatment of body fields and URL parameters that an endpoint does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownFields {
    /// The request is refused, and the name is in the answer.
    #[default]
    Refuse,
    /// They are ignored: for moving old portals over.
    Ignore,
}

/// `[api]`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Api {
    /// What becomes of unknown body fields on the four `index.php` APIs.
    pub unknown_fields: UnknownFields,
    /// Whether the subaccounts API takes the key as `p=` in the URL or body, as its oldest clients send it.
    pub key_in_parameters: bool,
}

/// Who decides which numbers a client may present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CalleridPolicy {
    /// Any number of the right shape.
    #[default]
    Free,
    /// Those that begin with one of `callerid.prefixes`.
    Pattern,
    /// Those that the operator has approved.
    Approval,
}

/// `[callerid]`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Callerid {
    /// How ownership of a number is decided.
    pub policy: CalleridPolicy,
    /// With `policy = "pattern"`: what numbers begin with, digits of E.164 without `+`.
    pub prefixes: Vec<String>,
}

/// `[webphone]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Webphone {
    /// The Janus gateway's address as browsers reach it (`wss://…`); web phones are off without it.
    pub janus_url: Option<String>,
    /// Janus' `token_auth_secret`.
    pub janus_secret: Option<Secret>,
    /// File that holds `janus_secret`.
    pub janus_secret_file: Option<PathBuf>,
    /// How long a token is good.
    pub token_seconds: u32,
    /// Where Janus registers (`sip:host:port`).
    pub sip_proxy: Option<String>,
    /// Seconds between registrations.
    pub register_seconds: u32,
    /// STUN and TURN servers for the browser (`stun:host:port`).
    pub ice_servers: Vec<String>,
}

impl Default for Webphone {
    fn default() -> Self {
        Self {
            janus_url: None,
            janus_secret: None,
            janus_secret_file: None,
            token_seconds: 600,
            sip_proxy: None,
            register_seconds: 300,
            ice_servers: Vec::new(),
        }
    }
}

impl Http {
    /// Checks the section.
    pub(super) fn check(&self) -> Result<(), String> {
        let wrong = |text: &str| Err(text.to_owned());
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            return wrong("http.tls_cert and http.tls_key go together");
        }
        if self.key_requests_per_minute == 0 || self.address_requests_per_minute == 0 {
            return wrong(
                "http.key_requests_per_minute and http.address_requests_per_minute must be at least 1",
            );
        }
        if self.burst_seconds == 0 || self.burst_seconds > 60 {
            return wrong("http.burst_seconds must be 1 to 60");
        }
        Ok(())
    }
}

impl Callerid {
    /// Checks the section.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.policy == CalleridPolicy::Pattern && self.prefixes.is_empty() {
            let reason = "callerid.prefixes must name at least one prefix with policy = \"pattern\"";
            return Err(reason.to_owned());
        }
        let is_prefix =
            |text: &String| (1..=15).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        match self.prefixes.iter().find(|prefix| !is_prefix(prefix)) {
            Some(bad) => Err(format!("callerid.prefixes: {bad:?} is not 1 to 15 digits")),
            None => Ok(()),
        }
    }
}

impl Webphone {
    /// Reads the secrets that are kept in files.
    pub(super) fn load_secrets(&mut self) -> Result<(), String> {
        let file = self.janus_secret_file.as_deref();
        secret_file::load("webphone.janus_secret", &mut self.janus_secret, file)
    }

    /// Checks the section.
    pub(super) fn check(&self) -> Result<(), String> {
        let wrong = |text: &str| Err(text.to_owned());
        if !(30..=86_400).contains(&self.token_seconds) || !(30..=86_400).contains(&self.register_seconds) {
            return wrong("webphone.token_seconds and webphone.register_seconds must be 30 to 86400");
        }
        let with_url = self.janus_url.is_some();
        if with_url != self.janus_secret.is_some() || with_url != self.sip_proxy.is_some() {
            return wrong("webphone.janus_url, webphone.janus_secret and webphone.sip_proxy go together");
        }
        if self.janus_secret.as_ref().is_some_and(Secret::is_empty) {
            return wrong("webphone.janus_secret must not be empty");
        }
        Ok(())
    }
}
