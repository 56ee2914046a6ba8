//! Errors of actions.

use super::ActionError;

/// Reason why an action has no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AmiError {
    /// The link is down; nothing was sent.
    #[error("the link to {server} is away")]
    Away {
        /// The server.
        server: String,
    },
    /// Too many actions are waiting; nothing was sent. Retry later, or send fewer.
    #[error("the link to {server} has too many actions waiting")]
    Busy {
        /// The server.
        server: String,
    },
    /// The action is invalid; nothing was sent.
    #[error(transparent)]
    Unsendable(#[from] ActionError),
    /// The link was lost, or the deadline passed, after the action was sent: it may or may not have been executed.
    #[error("{server} did not answer {action}: {reason}")]
    Unanswered {
        /// The server.
        server: String,
        /// The action's name.
        action: String,
        /// Description of the failure.
        reason: String,
    },
    /// Asterisk refused: `Response: Error`.
    #[error("{server} refused {action}: {message}")]
    Refused {
        /// The server.
        server: String,
        /// The action's name.
        action: String,
        /// Asterisk's `Message`.
        message: String,
    },
    /// An incomplete list, with a missing, surplus or unreadable item, or an answer with a repeated name. It proves
    /// nothing. The action itself was executed.
    #[error("{server}'s answer to {action} is not whole: {reason}")]
    Incomplete {
        /// The server.
        server: String,
        /// The action's name.
        action: String,
        /// Description of the defect.
        reason: String,
    },
}

impl AmiError {
    /// Reports whether Asterisk itself answered that the requested object does not exist.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Refused { message, .. }
            if ["No such", "not found", "does not exist"].iter().any(|said| message.contains(said)))
    }
}
