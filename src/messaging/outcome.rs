//! The outcome of a try to send a message.

use tokio::sync::oneshot;

use super::connector::Submitted;
use crate::store::messages::{ClaimedMessage, MessageState};

/// What became of a message that was given to its provider.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The message.
    pub(super) message: ClaimedMessage,
    /// What became of it.
    pub(super) submitted: Submitted,
    /// What its provider bills in.
    pub(super) currency: String,
    /// Whether its provider must be asked about it by the provider's own name.
    pub(super) is_asked: bool,
    /// Whether its provider can be asked for it by our reference.
    pub(super) can_find: bool,
    /// Who waits to hear of it.
    pub(super) reply: Option<oneshot::Sender<Ended>>,
}

/// Where a message is after a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Where it is.
    pub state: MessageState,
    /// Why it is not sent.
    pub failure: Option<String>,
}
