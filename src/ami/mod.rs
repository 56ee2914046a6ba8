//! The manager interface (AMI): one connection to each Asterisk server.
//!
//! A [`Link`] is a handle to a task that connects, logs in, keeps the connection alive and connects again when it is
//! lost. Whoever holds it asks ([`Link::ask`], [`Link::list`] and the typed actions beside them) and listens
//! ([`Link::subscribe`]). Nothing in here knows calls or peers.
//!
//! What it answers for:
//!
//! - an answer belongs to its action: every `ActionID` has 64 random bits, and an error that has none is given to nobody;
//! - a list is whole or an error ([`AmiError::Incomplete`]);
//! - an event is a hint: a caller can plant one, so nothing is concluded from it alone;
//! - who is slow is told what was missed ([`LinkEvent::Missed`]), and how the link is, always;
//! - a server is up once it is booted, bears the configured `systemname` and has taken the event filters.

pub mod action;
pub mod ask;
pub mod codec;
mod connection;
mod error;
pub mod event;
pub mod examine;
mod keeper;
mod link;
mod login;
pub mod message;
pub mod metrics;
mod pending;
#[cfg(test)]
mod recorded;
mod settings;
mod shared;
mod state;
mod stream;
mod subscribers;

pub use action::{Action, ActionError};
pub use ask::ChannelRow;
pub use error::AmiError;
pub use event::Event;
pub use link::{Link, LinkTasks, Links};
pub use message::Message;
pub use settings::{Settings, Timing, Tls};
pub use state::{LinkState, Session};
pub use subscribers::LinkEvent;
