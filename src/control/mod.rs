//! The command socket as its clients see it: addresses, the folder that protects it, requests and answers.
//!
//! Commands go over a Unix socket in a folder of mode 0700. The kernel reports the peer process to each side, and no secret
//! crosses the connection. [`crate::internal`] serves it.

pub mod address;
pub mod client;
pub mod folder;

use hyper::header::HeaderName;
use serde::{Deserialize, Serialize};

use crate::config::Secret;

/// Header of a request that names the instance of the server it is meant for.
pub const INSTANCE: HeaderName = HeaderName::from_static("tollgate-instance");

/// The largest request or answer that crosses the command socket. Exports of large tariffs are made by the
/// command line itself, so nothing near this size is expected.
pub const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

/// A command for the owner: the words after `tollgate`, without `--config`.
#[derive(Serialize, Deserialize)]
pub struct CommandRequest {
    /// For example `["credit", "1001", "10", "--reference", "cash"]`.
    pub argv: Vec<String>,
    /// Password that the command line has read for the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

impl CommandRequest {
    /// These words, with the password that goes with them.
    pub fn new(argv: Vec<String>, password: Option<Secret>) -> Self {
        Self { argv, password: password.map(|password| password.reveal().to_owned()) }
    }

    /// The password that came with the words.
    pub fn password(&self) -> Option<Secret> {
        self.password.clone().map(Secret::new)
    }
}

impl std::fmt::Debug for CommandRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommandRequest").field("argv", &self.argv).finish_non_exhaustive()
    }
}

/// How the owner's link to an Asterisk server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkView {
    /// The server's name.
    pub server: String,
    /// Why the link is away, in words; `None` while it is up.
    pub away: Option<String>,
}

/// How the owner and the Asterisk servers see each other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServersView {
    /// The owner's links to them.
    pub links: Vec<LinkView>,
    /// Their readings of peers since the owner started, refused ones included.
    pub reads: u64,
    /// Where the last reading came from, if it was refused: a wrong token, or an address that is not allowed.
    pub refused: Option<String>,
    /// The owner's listeners and file descriptors.
    #[serde(default)]
    pub sockets: Option<SocketsView>,
}

/// The file descriptors of a serving process, and its listeners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketsView {
    /// File descriptors that it may have open.
    pub limit: usize,
    /// Of these, kept for everything that is no listener's connection.
    pub reserve: usize,
    /// The listeners.
    pub listeners: Vec<ListenerView>,
}

/// A listener's connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerView {
    /// `fastagi`, `internal` or `http`.
    pub listener: String,
    /// Connections at once, at most.
    pub cap: usize,
    /// Open ones.
    pub open: usize,
    /// Refused since the start because there were too many.
    pub refused: u64,
    /// The last address that was refused for not being allowed.
    pub refused_address: Option<String>,
}

/// What the owner did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CommandAnswer {
    /// The exit status: 0 done, 1 refused or failed.
    pub status: u8,
    /// The answer for `--json`.
    pub json: serde_json::Value,
    /// The answer for a person.
    pub text: String,
}
