//! Peers: the PJSIP endpoints that calls come from, as Asterisk is told them.
//!
//! The store is the truth of them, [`crate::accounts::directory`] their copy in memory. [`ops`] changes them,
//! [`realtime`] answers Asterisk's reading of them, [`invalidate`] makes a change bite on running Asterisk servers,
//! [`claims`] and [`proofs`] decide which address speaks for whom, [`registrations`] knows who is registered, [`webphone`] lets browsers in at the Janus gateway.

pub mod address;
pub mod changes;
pub mod claims;
pub mod digest;
pub mod invalidate;
pub mod name;
pub mod ops;
pub mod proofs;
pub mod realtime;
pub mod registrations;
pub mod rows;
pub mod webphone;

use serde::Serialize;

/// What a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PeerKind {
    /// A SIP account: known by its name, always with a password.
    Sip,
    /// `<sip account>_ipaN`: known by the address of its requests, and by nothing else.
    Ipa,
    /// `<login>_webN`: a web phone, known as a SIP account is.
    Web,
}

impl PeerKind {
    /// As stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sip => "sip",
            Self::Ipa => "ipa",
            Self::Web => "web",
        }
    }

    /// Reads what [`PeerKind::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Sip, Self::Ipa, Self::Web].into_iter().find(|kind| kind.as_str() == text)
    }

    /// Whether it is known by its name and a password.
    pub const fn has_password(self) -> bool {
        matches!(self, Self::Sip | Self::Web)
    }
}
