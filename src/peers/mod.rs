//! Operations on peers, the PJSIP endpoints that calls come from.
//!
//! The store has the records, [`crate::directory`] their copy in memory. [`ops`] changes them, [`realtime`] answers
//! Asterisk's reads, [`invalidate`] makes a change take effect on running Asterisk servers, [`claims`] and [`proofs`]
//! decide which SIP account an address belongs to, [`registrations`] lists registrations, [`webphone`] issues tokens
//! for the Janus gateway.

mod change;
pub mod claims;
pub mod error;
pub mod invalidate;
pub mod ops;
pub mod proofs;
pub mod realtime;
pub mod registrations;
pub mod webphone;
