//! The state of a link to an Asterisk server.

use std::sync::Arc;

/// A session with one run of an Asterisk server; a restart of Asterisk begins a new session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Number of this login of the link, from 1.
    pub number: u64,
    /// Asterisk's start as shown by `CoreStatus` (date and time), used as its identity: text, never parsed as a time.
    pub started: String,
    /// Uptime of the server in seconds, by its own clock, when the session began.
    pub uptime_seconds: u64,
    /// `AsteriskVersion` of `CoreSettings`.
    pub version: String,
}

/// State of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// Not connected, or not logged in.
    Away {
        /// The reason, in words.
        reason: String,
    },
    /// Logged in, filters set, events arriving.
    Up(Arc<Session>),
}
