//! State of the control link to a server.

/// State of the control link to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkIs {
    /// Not configured: calls of this server cannot be metered, so the whole grant is held.
    NotConfigured,
    /// Configured and down.
    Away,
    /// Up.
    Up,
}
