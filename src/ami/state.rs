//! The state of a link to an Asterisk server.

use std::sync::Arc;

/// A session with one run of an Asterisk server; a restart of Asterisk begins another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Counts the logins of this link, from 1.
    pub number: u64,
    /// Asterisk's start as `CoreStatus` shows it (date and time), its identity: text, never read as a time.
    pub started: String,
    /// Seconds it has been up, by its own clock, when the session began.
    pub uptime_seconds: u64,
    /// `AsteriskVersion` of `CoreSettings`.
    pub version: String,
}

/// How a link is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// Not connected, or not logged in.
    Away {
        /// Why, in words.
        reason: String,
    },
    /// Logged in, filters set, events arrive.
    Up(Arc<Session>),
}
