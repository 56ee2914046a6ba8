//! The Tollgate service: what ties calls, money, peers and people together.

pub mod accounts;
pub mod ami;
pub mod api;
pub mod app;
pub mod calls;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod dial;
pub mod directory;
pub mod esim;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod internal;
pub mod ledger;
pub mod listen;
pub mod messaging;
pub mod metrics;
pub mod outbound;
pub mod peers;
pub mod secrets;
pub mod services;
pub mod sip;
pub mod store;
