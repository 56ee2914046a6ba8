//! Why an action has no answer.

use super::ActionError;

/// Why an action has no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AmiError {
    /// The link is away; nothing was sent.
    #[error("the link to {server} is away")]
    Away {
        /// The server.
        server: String,
    },
    /// More actions wait than the link takes on; nothing was sent. Ask again later, or ask for less.
    #[error("the link to {server} has too many actions waiting")]
    Busy {
        /// The server.
        server: String,
    },
    /// The action cannot be sent as it is; nothing was sent.
    #[error(transparent)]
    Unsendable(#[from] ActionError),
    /// The link was lost, or the deadline passed, after the action was sent: it may or may not have been carried out.
    #[error("{server} did not answer {action}: {reason}")]
    Unanswered {
        /// The server.
        server: String,
        /// The action's name.
        action: String,
        /// What happened.
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
    /// A list that is not whole: an item is missing, one too many, or one cannot be read; or an answer in which a name
    /// comes twice. It proves nothing. The action itself was carried out.
    #[error("{server}'s answer to {action} is not whole: {reason}")]
    Incomplete {
        /// The server.
        server: String,
        /// The action's name.
        action: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl AmiError {
    /// Whether Asterisk itself answered with an error that says that the thing asked about is not there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Refused { message, .. }
            if ["No such", "not found", "does not exist"].iter().any(|said| message.contains(said)))
    }
}
