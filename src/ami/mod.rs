//! The manager interface (AMI): one connection to each Asterisk server.
//!
//! A [`Link`] is a handle to a task that connects, logs in, keeps the connection alive and reconnects when it is lost.
//! Its holders send actions ([`Link::ask`], [`Link::list`] and the typed actions) and subscribe to events
//! ([`Link::subscribe`]). This part knows nothing of calls or peers.
//!
//! Guarantees:
//!
//! - an answer belongs to its action: every `ActionID` has 64 random bits, and an error without one is delivered to no
//!   action;
//! - a list is complete or an error ([`AmiError::Incomplete`]);
//! - an event is a hint: a caller can inject one, so nothing is concluded from an event alone;
//! - a slow subscriber is notified of missed events ([`LinkEvent::Missed`]), and always of the link's state;
//! - a server is up once it is booted, reports the configured `systemname` and has accepted the event filters.

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
