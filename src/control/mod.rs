//! The command socket as its clients see it: addresses, the folder that protects it, requests and answers.
//!
//! Commands go over a Unix socket in a folder of mode 0700. The kernel reports the peer process to each side, and no
//! secret crosses the connection. [`crate::internal`] serves it.

pub mod address;
pub mod client;
pub mod folder;

use hyper::header::HeaderName;
use serde::{Deserialize, Serialize};

use crate::config::Secret;

/// Header that names the server instance a request is meant for.
pub const INSTANCE: HeaderName = HeaderName::from_static("tollgate-instance");

/// The largest request or answer that crosses the command socket. Exports of large tariffs are made by the
/// command line itself, so nothing near this size is expected.
pub const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

/// A command for the owner: the words after `tollgate`, without `--config`.
#[derive(Serialize, Deserialize)]
pub struct CommandRequest {
    /// The words, for example `["credit", "1001", "10", "--reference", "cash"]`.
    pub argv: Vec<String>,
    /// Password that the command line has read for the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

impl CommandRequest {
    /// Creates a command of these words, with the password it needs.
    pub fn new(argv: Vec<String>, password: Option<Secret>) -> Self {
        Self { argv, password: password.map(|password| password.reveal().to_owned()) }
    }

    /// Returns the password sent with the words.
    pub fn password(&self) -> Option<Secret> {
        self.password.clone().map(Secret::new)
    }
}

impl std::fmt::Debug for CommandRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommandRequest").field("argv", &self.argv).finish_non_exhaustive()
    }
}

/// State of the owner's link to an Asterisk server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkView {
    /// Name of the server.
    pub server: String,
    /// Reason why the link is down; `None` while it is up.
    pub away: Option<String>,
}

/// Connection state between the owner and the Asterisk servers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServersView {
    /// The owner's links to the Asterisk servers.
    pub links: Vec<LinkView>,
    /// Number of peer reads by the Asterisk servers since the owner started, refused ones included.
    pub reads: u64,
    /// Source of the last read, if it was refused: a wrong token, or an address that is not allowed.
    pub refused: Option<String>,
    /// The owner's listeners and file descriptors.
    #[serde(default)]
    pub sockets: Option<SocketsView>,
}

/// The file descriptors of a serving process, and its listeners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketsView {
    /// Maximum number of open file descriptors.
    pub limit: usize,
    /// Number of these reserved for everything except the listeners' connections.
    pub reserve: usize,
    /// The listeners.
    pub listeners: Vec<ListenerView>,
}

/// A listener's connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerView {
    /// `fastagi`, `internal` or `http`.
    pub listener: String,
    /// Maximum concurrent connections.
    pub cap: usize,
    /// Open connections.
    pub open: usize,
    /// Connections refused since the start because there were too many.
    pub refused: u64,
    /// The last address refused because it is not allowed.
    pub refused_address: Option<String>,
}

/// Result of a command.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CommandAnswer {
    /// Exit status: 0 done, 1 refused or failed.
    pub status: u8,
    /// The answer for `--json`.
    pub json: serde_json::Value,
    /// The answer as text.
    pub text: String,
}
