//! Errors of a serving process.

use std::net::SocketAddr;

use crate::api::server::TlsError;
use crate::messaging::MessagingError;
use crate::services::ServiceError;
use crate::store::StoreError;

/// Reason why a process cannot serve, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The services cannot be opened.
    #[error(transparent)]
    Services(#[from] ServiceError),
    /// The process cannot listen on an address.
    #[error("{key} {address} cannot be listened on: {source}")]
    Listen {
        /// The configuration key.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The threads for requests cannot be started.
    #[error("no threads for requests can be started: {0}")]
    Threads(std::io::Error),
    /// Messages cannot be sent.
    #[error(transparent)]
    Messaging(#[from] MessagingError),
    /// The open calls cannot be read.
    #[error("the open calls cannot be read: {0}")]
    Recover(StoreError),
    /// An essential part stopped.
    #[error("{0} stopped: {1}")]
    Crashed(&'static str, String),
}
