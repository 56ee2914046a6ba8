//! The `FastAGI` protocol: how an Asterisk dialplan asks a server about a call, and is told.
//!
//! Asterisk connects, says what it knows of the call in `agi_` lines ([`Environment`]), then takes commands
//! ([`command`]) and answers each with one reply ([`reply`]). A [`Server`] accepts such connections and hands each to
//! a handler as a [`Session`]; [`client::Call`] plays Asterisk's part.
//!
//! What it is made for: answering within milliseconds, one short connection a call, from callers who write what they
//! like into the environment. Everything is bounded in bytes and in time, and whatever Asterisk would not say is an
//! error.
//!
//! What it is not: a library of all of AGI's commands (no playback, no speech, no asynchronous AGI), and it knows
//! nothing of money.

#![deny(missing_docs)]

pub mod accept;
pub mod allow;
pub mod client;
pub mod codec;
pub mod command;
pub mod environment;
mod places;
pub mod reply;
pub mod server;
pub mod session;
pub mod transcript;

pub use self::allow::AllowList;
pub use self::command::Command;
pub use self::environment::{Environment, Key};
pub use self::server::{Limits, ServeError, Server, serve};
pub use self::session::{Session, SessionError, SessionLimits};
