//! `[internal]`: the internal listener and the command socket.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

use super::secret::Secret;
use super::secret_file;

/// `[internal]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Internal {
    /// Address and port of health, metrics and Asterisk's reading of peers.
    pub listen: SocketAddr,
    /// Token that metrics are read with; derived from the key file when not set.
    pub metrics_token: Option<Secret>,
    /// File that holds `metrics_token`.
    pub metrics_token_file: Option<PathBuf>,
    /// Path of the Unix socket that commands are sent to, in a folder of mode 0700; beside the SQLite database, or
    /// `tollgate.run/tollgate.sock`, when not set.
    pub socket: Option<PathBuf>,
    /// Networks whose machines may connect over TCP, beside this one and those of `realtime.allow`.
    pub allow: Vec<IpNet>,
    /// TCP connections kept at once.
    pub max_connections: usize,
    /// TCP connections of one address kept at once.
    pub connections_per_address: usize,
    /// Removed; named so that its absence is explained.
    #[serde(skip_serializing)]
    pub token: Option<Secret>,
}

impl Default for Internal {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
            metrics_token: None,
            metrics_token_file: None,
            socket: None,
            allow: vec![IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8))],
            max_connections: 512,
            connections_per_address: 128,
            token: None,
        }
    }
}

impl Internal {
    /// Reads the secrets that are kept in files.
    pub(super) fn load_secrets(&mut self) -> Result<(), String> {
        let file = self.metrics_token_file.as_deref();
        secret_file::load("internal.metrics_token", &mut self.metrics_token, file)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if self.token.is_some() {
            return Err("internal.token was removed: commands go over the Unix socket internal.socket and need no token, \
                        and metrics are read with internal.metrics_token"
                .to_owned());
        }
        // An empty one, as an unset variable of a template leaves it, would let anybody in.
        if self.metrics_token.as_ref().is_some_and(Secret::is_empty) {
            return Err(
                "internal.metrics_token must not be empty: leave it out to derive it from the key file"
                    .to_owned(),
            );
        }
        Ok(())
    }
}
