//! The reasons for which an SMPP session could not be opened.

use crate::dial::DialError;

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The bind was refused.
    #[error("the bind was refused: {reason}")]
    Refused { reason: String, is_passing: bool },
    /// No answer to the bind.
    #[error("{0}")]
    NoAnswer(String),
}

impl Failure {
    pub(super) const fn is_lasting(&self) -> bool {
        match self {
            Self::Dial(error) => error.is_lasting(),
            Self::Refused { is_passing, .. } => !*is_passing,
            Self::NoAnswer(_) => false,
        }
    }
}
